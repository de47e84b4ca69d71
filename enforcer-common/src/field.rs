//! Fields of the kernel's own structs that the programs read. Where they are
//! differs between kernels: the loader looks each up in the kernel's type
//! information (BTF) and tells the programs, which have no other way to know.

/// Lists the fields; the order is the order of the table of offsets.
macro_rules! fields {
    ($($(#[$meta:meta])* $name:ident = $container:literal . $path:literal),+ $(,)?) => {
        /// A field of a kernel struct.
        #[repr(usize)]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Field { $($(#[$meta])* $name),+ }

        impl Field {
            /// Every field, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// The struct, and the field's name in it; a dot leads into an
            /// embedded struct.
            pub const fn place(self) -> (&'static str, &'static str) {
                match self { $(Self::$name => ($container, $path)),+ }
            }
        }
    };
}

fields! {
    /// What a process may do.
    TaskCred = "task_struct"."cred",
    /// Where the paths of a process begin.
    TaskFs = "task_struct"."fs",
    /// The namespaces of a process.
    TaskSpaces = "task_struct"."nsproxy",
    /// The folder that `/` is.
    FsRoot = "fs_struct"."root.dentry",
    /// The mounts that paths lead over.
    SpacesMounts = "nsproxy"."mnt_ns",
    /// The process numbers of children.
    SpacesPids = "nsproxy"."pid_ns_for_children",
    /// The user namespace in which a privilege changes these mounts.
    MountsOwner = "mnt_namespace"."user_ns",
    /// The first process in a namespace of numbers.
    PidsReaper = "pid_namespace"."child_reaper",
    /// The number of a thread, in each namespace that it is seen from.
    TaskPid = "task_struct"."thread_pid",
    /// By which the numbers of a thread lead to it.
    TaskPidLinks = "task_struct"."pid_links",
    /// How many namespaces below the first one a number is seen from.
    PidLevel = "pid"."level",
    /// The number in each of them.
    PidNumbers = "pid"."numbers",
    /// Who has the number.
    PidTasks = "pid"."tasks",
    /// The inode of a file of procfs.
    ProcInode = "proc_inode"."vfs_inode",
    /// The process that it is of; null if of none.
    ProcPid = "proc_inode"."pid",
    /// The kernel setting that it is; null if none.
    ProcSettings = "proc_inode"."sysctl",
    /// The css_set of a process.
    TaskCgroups = "task_struct"."cgroups",
    /// The first thread of a process.
    TaskLeader = "task_struct"."group_leader",
    /// The number of a process (not of its threads).
    TaskGroup = "task_struct"."tgid",
    /// The cgroup of a css_set in the v2 hierarchy.
    CssSetCgroup = "css_set"."dfl_cgrp",
    /// A cgroup's node in cgroupfs.
    CgroupNode = "cgroup"."kn",
    /// A cgroup's depth; the mount is 0.
    CgroupLevel = "cgroup"."level",
    /// A cgroup's ancestors by depth, itself included (6.1 and newer).
    CgroupAncestors = "cgroup"."ancestors",
    /// A node's inode number, which is the cgroup's id.
    NodeId = "kernfs_node"."id",
    /// The cgroup a socket was made in.
    SockCgroup = "sock"."sk_cgrp_data.cgroup",
    /// A socket's address family.
    SockFamily = "sock"."__sk_common.skc_family",
    /// The protocol's part of a socket.
    SocketSock = "socket"."sk",
    /// The other end of a connected Unix socket.
    UnixPeer = "unix_sock"."peer",
    /// A Unix socket's address; null where it has none.
    UnixAddress = "unix_sock"."addr",
    /// Bytes of a Unix address, the family included.
    UnixAddressLen = "unix_address"."len",
    /// The address as `struct sockaddr_un`.
    UnixAddressName = "unix_address"."name",
    /// A file's inode.
    FileInode = "file"."f_inode",
    /// What the owner of a file keeps with it: the socket of a socket.
    FilePrivate = "file"."private_data",
    /// The file system of an inode.
    InodeSuper = "inode"."i_sb",
    /// Type and permissions of an inode.
    InodeMode = "inode"."i_mode",
    /// The number of an inode on its file system.
    InodeNumber = "inode"."i_ino",
    /// The inode that a name stands for; null if none.
    DentryInode = "dentry"."d_inode",
    /// The device of a file system.
    SuperDevice = "super_block"."s_dev",
    /// Which kind of file system it is.
    SuperMagic = "super_block"."s_magic",
    /// The user namespace of a process's credentials.
    CredSpace = "cred"."user_ns",
    /// The capabilities that they have in it.
    CredEffective = "cred"."cap_effective",
    /// How deep a user namespace is in others.
    SpaceLevel = "user_namespace"."level",
    /// The type of a key.
    KeyType = "key"."index_key.type",
    /// The name of a type of keys.
    KeyTypeName = "key_type"."name",
}

impl Field {
    /// Number of fields, for the table of offsets.
    pub const COUNT: usize = Self::ALL.len();
}

/// Bytes from the start of each field's struct, in the order of [`Field::ALL`].
pub type FieldOffsets = [u32; Field::COUNT];
