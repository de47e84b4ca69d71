use super::*;

/// Writes type information by hand.
#[derive(Default)]
struct Writer {
    types: Vec<u8>,
    strings: Vec<u8>,
}

impl Writer {
    fn new() -> Self {
        Self { strings: vec![0], ..Self::default() }
    }

    fn words(&mut self, words: &[u32]) {
        self.types.extend(words.iter().flat_map(|word| word.to_ne_bytes()));
    }

    fn string(&mut self, text: &str) -> u32 {
        if text.is_empty() {
            return 0;
        }
        let at = u32::try_from(self.strings.len()).expect("short");
        self.strings.extend_from_slice(text.as_bytes());
        self.strings.push(0);
        at
    }

    /// A struct or union with members (name, type, offset as written).
    fn record(&mut self, kind: u32, flag: u32, name: &str, members: &[(&str, u32, u32)]) {
        let count = u32::try_from(members.len()).expect("few");
        let name = self.string(name);
        self.words(&[name, flag << 31 | kind << 24 | count, 0]);
        for (name, of, offset) in members {
            let name = self.string(name);
            self.words(&[name, *of, *offset]);
        }
    }

    fn bytes(&self) -> Vec<u8> {
        let [types, strings] =
            [&self.types, &self.strings].map(|part| u32::try_from(part.len()).expect("short"));
        let mut bytes = MAGIC.to_ne_bytes().to_vec();
        bytes.extend([1, 0]);
        for word in [24, 0, types, types, strings] {
            bytes.extend(word.to_ne_bytes());
        }
        [bytes, self.types.clone(), self.strings.clone()].concat()
    }
}

/// 1: int; 2: union { int a; int b; }; 3: struct inner { int; deep }; 4: its
/// typedef; 5: struct outer.
fn example() -> Types {
    let mut writer = Writer::new();
    let int = writer.string("int");
    writer.words(&[int, INT << 24, 4, 32]);
    writer.record(UNION, 0, "", &[("a", 1, 0), ("b", 1, 0)]);
    writer.record(STRUCT, 0, "inner", &[("first", 1, 0), ("deep", 1, 32)]);
    let alias = writer.string("inner_t");
    writer.words(&[alias, TYPEDEF << 24, 3]);
    let members = [("x", 1, 0), ("", 2, 64), ("in", 4, 128), ("bits", 1, 3 << 24 | 193)];
    writer.record(STRUCT, 1, "outer", &members);
    Types::parse(writer.bytes()).expect("well formed")
}

#[test]
fn fields_are_found_through_nameless_unions_and_typedefs() {
    let types = example();
    let places = ["x", "a", "b", "in", "in.deep"].map(|path| types.offset("outer", path));
    assert_eq!(places, [Some(0), Some(8), Some(8), Some(16), Some(20)]);
    assert_eq!(types.offset("inner", "deep"), Some(4));
}

#[test]
fn what_is_not_there_is_none() {
    let types = example();
    assert_eq!(types.offset("outer", "y"), None);
    assert_eq!(types.offset("inner_t", "deep"), None, "a typedef is no struct");
    assert_eq!(types.offset("outer", "x.deep"), None, "a number has no members");
    assert_eq!(types.offset("outer", "bits"), None, "a bit field is not at a byte");
}

#[test]
fn a_spoilt_file_is_an_error_at_every_length() {
    let mut writer = Writer::new();
    writer.record(STRUCT, 0, "s", &[("m", 1, 0)]);
    let whole = writer.bytes();
    for length in 0..24 {
        assert!(Types::parse(whole[..length].to_vec()).is_err(), "{length} bytes");
    }
    writer.words(&[0, 31 << 24, 0]);
    assert!(matches!(Types::parse(writer.bytes()), Err(TypesError::Kind(31))));
}

#[test]
fn the_kernel_that_runs_the_tests_has_these_fields() {
    let path = Path::new("/sys/kernel/btf/vmlinux");
    if !path.exists() {
        return;
    }
    let types = Types::read(path).expect("the kernel's own");
    assert_eq!(types.offset("list_head", "next"), Some(0));
    assert_eq!(types.offset("list_head", "prev"), Some(8));
    let missing: Vec<_> = enforcer_common::Field::ALL
        .iter()
        .filter(|field| types.offset(field.place().0, field.place().1).is_none())
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}
