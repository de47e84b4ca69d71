//! The kernel's own type information: where a field is in a struct. aya reads
//! the same file but keeps the members of structs to itself.

use std::path::Path;
use std::{fs, io};

/// Kinds of `include/uapi/linux/btf.h`.
const INT: u32 = 1;
const ARRAY: u32 = 3;
const STRUCT: u32 = 4;
const UNION: u32 = 5;
const ENUM: u32 = 6;
const TYPEDEF: u32 = 8;
const FUNC: u32 = 12;
const VOLATILE: u32 = 9;
const CONST: u32 = 10;
const FUNC_PROTO: u32 = 13;
const VAR: u32 = 14;
const DATASEC: u32 = 15;
const DECL_TAG: u32 = 17;
const TYPE_TAG: u32 = 18;
const ENUM64: u32 = 19;
const MAGIC: u16 = 0xeb9f;
/// Bytes of `struct btf_type` and of `struct btf_member`.
const TYPE: usize = 12;
const MEMBER: usize = 12;
/// Structs within structs followed at most.
const DEPTH: u32 = 16;

/// What is wrong with a file of type information.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TypesError {
    #[error("{}: {source}", path.display())]
    Io { path: std::path::PathBuf, source: io::Error },
    #[error("not in the format of BTF, version 1")]
    Format,
    #[error("a type of kind {0}, which this version does not know")]
    Kind(u32),
}

/// All types, by their number.
pub(crate) struct Types {
    bytes: Vec<u8>,
    strings: usize,
    types: Vec<Type>,
}

#[derive(Clone, Copy, Default)]
struct Type {
    name: u32,
    kind: u32,
    members: u32,
    /// Offsets of the members carry a width in their upper byte.
    has_bitfields: bool,
    /// The type that this one only renames.
    of: u32,
    /// Where its members begin.
    at: usize,
}

// === impl Types ===

impl Types {
    /// Reads the file of type information at `path`.
    pub(crate) fn read(path: &Path) -> Result<Self, TypesError> {
        let bytes =
            fs::read(path).map_err(|source| TypesError::Io { path: path.to_owned(), source })?;
        Self::parse(bytes)
    }

    fn parse(bytes: Vec<u8>) -> Result<Self, TypesError> {
        let magic = bytes.first_chunk().map(|start| u16::from_ne_bytes(*start));
        if magic != Some(MAGIC) || bytes.get(2) != Some(&1) {
            return Err(TypesError::Format);
        }
        let field = |at| word(&bytes, at).map(|word| word as usize).ok_or(TypesError::Format);
        let header = field(4)?;
        let (from, length, strings) = (header + field(8)?, field(12)?, header + field(16)?);
        let mut all = Self { strings, types: vec![Type::default()], bytes };
        let mut at = from;
        while at < from + length {
            let (one, next) = all.type_at(at)?;
            all.types.push(one);
            at = next;
        }
        Ok(all)
    }

    fn type_at(&self, at: usize) -> Result<(Type, usize), TypesError> {
        let field = |place: usize| word(&self.bytes, at + place).ok_or(TypesError::Format);
        let info = field(4)?;
        let (kind, members) = (info >> 24 & 0x1f, info & 0xffff);
        let one = Type {
            name: field(0)?,
            kind,
            members,
            has_bitfields: info >> 31 == 1,
            of: field(8)?,
            at: at + TYPE,
        };
        Ok((one, at + TYPE + tail(kind, members as usize)?))
    }

    /// Bytes from the start of the struct `container` to the field at `path`,
    /// whose parts are divided by dots. Members of nameless structs and unions
    /// count as the container's own. `None`: this kernel has no such field.
    pub(crate) fn offset(&self, container: &str, path: &str) -> Option<u32> {
        let named = |one: &Type| one.kind == STRUCT && self.is_named(one, container);
        let mut inside = *self.types.iter().find(|one| named(one))?;
        let mut bits = 0;
        for part in path.split('.') {
            let (offset, of) = self.member(&inside, part.as_bytes(), DEPTH)?;
            bits += offset;
            inside = self.plain(of)?;
        }
        (bits % 8 == 0).then_some(bits / 8)
    }

    /// The number of a function of the kernel.
    pub(crate) fn function(&self, name: &str) -> Option<u32> {
        let named = |one: &Type| one.kind == FUNC && self.is_named(one, name);
        u32::try_from(self.types.iter().position(named)?).ok()
    }

    /// A member's offset in bits, and its type.
    fn member(&self, inside: &Type, name: &[u8], depth: u32) -> Option<(u32, u32)> {
        if !matches!(inside.kind, STRUCT | UNION) || depth == 0 {
            return None;
        }
        (0..inside.members as usize).find_map(|number| {
            let at = inside.at + number * MEMBER;
            let (found, of) = (word(&self.bytes, at)?, word(&self.bytes, at + 4)?);
            let raw = word(&self.bytes, at + 8)?;
            let offset = if inside.has_bitfields { raw & 0x00ff_ffff } else { raw };
            match self.name(found) {
                b"" => {
                    let (further, of) = self.member(&self.plain(of)?, name, depth - 1)?;
                    Some((offset + further, of))
                }
                found => (found == name).then_some((offset, of)),
            }
        })
    }

    /// The type behind typedefs and qualifiers.
    fn plain(&self, mut number: u32) -> Option<Type> {
        for _ in 0..DEPTH {
            let one = *self.types.get(number as usize)?;
            if !matches!(one.kind, TYPEDEF | VOLATILE | CONST | TYPE_TAG) {
                return Some(one);
            }
            number = one.of;
        }
        None
    }

    /// Asked of a hundred thousand types: compares without looking for the end.
    fn is_named(&self, one: &Type, name: &str) -> bool {
        let text = self.bytes.get(self.strings + one.name as usize..).unwrap_or_default();
        text.strip_prefix(name.as_bytes()).is_some_and(|rest| rest.first() == Some(&0))
    }

    fn name(&self, at: u32) -> &[u8] {
        let text = self.bytes.get(self.strings + at as usize..).unwrap_or_default();
        text.split(|&byte| byte == 0).next().unwrap_or_default()
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// Bytes behind a type's head (`Documentation/bpf/btf.rst`, "Type encoding").
fn tail(kind: u32, members: usize) -> Result<usize, TypesError> {
    Ok(match kind {
        INT | VAR | DECL_TAG => 4,
        ARRAY => 12,
        STRUCT | UNION | DATASEC | ENUM64 => 12 * members,
        ENUM | FUNC_PROTO => 8 * members,
        // Pointers, forward declarations, names, qualifiers, functions, floats.
        2 | 7..=12 | 16 | TYPE_TAG => 0,
        unknown => return Err(TypesError::Kind(unknown)),
    })
}

#[cfg(test)]
#[path = "types_tests.rs"]
mod tests;
