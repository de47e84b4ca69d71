//! `--user`: who CMD is to be.

use std::ffi::CString;

use nix::unistd::{Gid, Group, Uid, User, getgrouplist};

use crate::cli::failure::{Code, Failure};

/// A user to become.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    /// User id.
    pub(super) uid: u32,
    /// Group id.
    pub(super) gid: u32,
    /// Supplementary groups.
    pub(super) groups: Vec<u32>,
    /// Name and home, where the user is known on this host.
    pub(super) account: Option<Account>,
}

/// What the user database says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Account {
    pub(super) name: String,
    pub(super) home: String,
}

// === impl Identity ===

impl Identity {
    /// Reads `NAME`, `UID`, `NAME:GROUP` or `UID:GID`.
    ///
    /// # Errors
    /// [`Code::Usage`] for a user or group that is not there.
    pub(super) fn parse(text: &str) -> Result<Self, Failure> {
        let (user, group) = match text.split_once(':') {
            Some((user, group)) => (user, Some(group)),
            None => (text, None),
        };
        let gid = group.map(gid_of).transpose()?;
        match (known(user)?, user.parse::<u32>(), gid) {
            (Some(user), _, gid) => Self::of(&user, gid),
            (None, Ok(uid), Some(gid)) => Ok(Self { uid, gid, groups: vec![], account: None }),
            (None, Ok(uid), None) => Err(bad(format!("--user {uid}: no user has this id"))
                .hint(format!("name the group too: --user {uid}:GID"))),
            (None, Err(_), _) => Err(bad(format!("--user {user}: no such user"))),
        }
    }

    fn of(user: &User, gid: Option<u32>) -> Result<Self, Failure> {
        let gid = gid.unwrap_or(user.gid.as_raw());
        Ok(Self {
            uid: user.uid.as_raw(),
            gid,
            groups: groups_of(&user.name, gid)?,
            account: Some(Account {
                name: user.name.clone(),
                home: user.dir.to_string_lossy().into_owned(),
            }),
        })
    }
}

fn known(user: &str) -> Result<Option<User>, Failure> {
    let found = match user.parse::<u32>() {
        Ok(uid) => User::from_uid(Uid::from_raw(uid)),
        Err(_) => User::from_name(user),
    };
    found.map_err(|error| Failure::failed(format!("look up user {user}: {error}")))
}

fn gid_of(group: &str) -> Result<u32, Failure> {
    if let Ok(gid) = group.parse() {
        return Ok(gid);
    }
    match Group::from_name(group) {
        Ok(Some(found)) => Ok(found.gid.as_raw()),
        Ok(None) => Err(bad(format!("--user: no such group: {group}"))),
        Err(error) => Err(Failure::failed(format!("look up group {group}: {error}"))),
    }
}

fn groups_of(name: &str, gid: u32) -> Result<Vec<u32>, Failure> {
    let failed = |error: &dyn std::fmt::Display| {
        Failure::failed(format!("look up the groups of {name}: {error}"))
    };
    let name = CString::new(name).map_err(|error| failed(&error))?;
    let groups = getgrouplist(&name, Gid::from_raw(gid)).map_err(|error| failed(&error))?;
    Ok(groups.into_iter().map(Gid::as_raw).collect())
}

fn bad(message: String) -> Failure {
    Failure::new(Code::Usage, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_user_brings_its_groups() {
        let by_name = Identity::parse("daemon").expect("daemon is on every Linux host");
        assert_eq!(Identity::parse(&by_name.uid.to_string()), Ok(by_name.clone()));
        assert!(by_name.groups.contains(&by_name.gid));
        assert!(by_name.account.is_some());
    }

    #[test]
    fn an_unknown_uid_needs_a_group_and_has_no_other() {
        let bare = Identity { uid: 61_234, gid: 61_235, groups: vec![], account: None };
        assert_eq!(Identity::parse("61234:61235"), Ok(bare));
        assert!(Identity::parse("61234").is_err());
    }

    #[test]
    fn what_is_not_there_is_refused() {
        for text in ["", ":", "no-such-user-here", "daemon:no-such-group", "-1", "4294967296:1"] {
            assert!(Identity::parse(text).is_err(), "{text}");
        }
    }
}
