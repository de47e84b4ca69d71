//! Another build of the same programs: the `enforcer` binary with instructions
//! of its kernel object in another order, as another compiler might have put
//! them. They do the same, and the kernel sees other programs (their tags).

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use aya::programs::links::{FdLink, PinnedLink};
use aya::programs::loaded_programs;

use crate::binaries;
use crate::lab::Lab;

const ELF: &[u8] = b"\x7fELF";
/// `EM_BPF`, and where the header says so.
const MACHINE: (usize, u16) = (18, 247);
/// Section types and flags of elf(5).
const SHT_PROGBITS: u64 = 1;
const SHT_REL: u64 = 9;
const SHF_EXECINSTR: u64 = 4;
/// Bytes of an instruction.
const STEP: usize = 8;
/// `BPF_ALU64 | BPF_MOV` of a constant and of a register.
const MOVES: [u8; 2] = [0xb7, 0xbf];

/// A section of the object: where it is, and what is in it.
#[derive(Clone, Copy, Debug)]
struct Section {
    kind: u64,
    flags: u64,
    at: usize,
    len: usize,
    /// For relocations: the section they are for.
    target: usize,
}

/// Writes the other build into the lab's folder.
///
/// # Panics
/// When the binary holds no kernel object, or none that can be changed.
pub fn write(lab: &Lab) -> PathBuf {
    let mut bytes = fs::read(binaries::enforcer()).expect("read the binary");
    let starts: Vec<usize> = (0..bytes.len() - 64)
        .step_by(STEP)
        .filter(|&at| bytes[at..].starts_with(ELF) && half(&bytes, at + MACHINE.0) == MACHINE.1)
        .collect();
    let changed: usize = starts.into_iter().map(|at| change(&mut bytes[at..])).sum();
    assert!(changed > 10, "only {changed} sections could be changed");
    let path = lab.path("enforcer-other");
    fs::write(&path, bytes).expect("write the other build");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("make it executable");
    path
}

/// The tags of the programs that run, by the name of their pinned link.
pub fn tags(bpf_dir: &Path) -> BTreeMap<String, u64> {
    let all: BTreeMap<u32, u64> =
        loaded_programs().flatten().map(|program| (program.id(), program.tag())).collect();
    let links = fs::read_dir(bpf_dir.join("links")).expect("list the links").flatten();
    links
        .map(|pin| {
            let link = FdLink::from(PinnedLink::from_pin(pin.path()).expect("a pinned link"));
            let id = link.info().expect("the link's info").program_id();
            (pin.file_name().to_string_lossy().into_owned(), all[&id])
        })
        .collect()
}

/// Changes every section of instructions that it can; how many.
fn change(elf: &mut [u8]) -> usize {
    let sections = sections(elf);
    let mut changed = 0;
    for (index, section) in sections.iter().enumerate() {
        if section.kind != SHT_PROGBITS || section.flags & SHF_EXECINSTR == 0 {
            continue;
        }
        let mut fixed = targets(&elf[section.at..section.at + section.len]);
        for rel in sections.iter().filter(|s| s.kind == SHT_REL && s.target == index) {
            let entries = elf[rel.at..rel.at + rel.len].chunks_exact(16);
            fixed.extend(entries.map(|entry| number(entry, 0, 8) / STEP));
        }
        changed += usize::from(swap(&mut elf[section.at..section.at + section.len], &fixed));
    }
    changed
}

fn sections(elf: &[u8]) -> Vec<Section> {
    let (table, size) = (number(elf, 0x28, 8), number(elf, 0x3a, 2));
    let header = |n: usize| &elf[table + n * size..table + (n + 1) * size];
    let section = |n: usize| Section {
        kind: number(header(n), 4, 4) as u64,
        flags: number(header(n), 8, 8) as u64,
        at: number(header(n), 24, 8),
        len: number(header(n), 32, 8),
        target: number(header(n), 44, 4),
    };
    (0..number(elf, 0x3c, 2)).map(section).collect()
}

/// Where jumps lead to: an instruction there must stay.
fn targets(code: &[u8]) -> Vec<usize> {
    let jump = |(at, instruction): (usize, &[u8])| {
        let (class, operation) = (instruction[0] & 7, instruction[0] & 0xf0);
        let is_jump = matches!(class, 5 | 6) && !matches!(operation, 0x80 | 0x90);
        let wide = class == 6 && operation == 0;
        let near = i64::from(i16::from_le_bytes([instruction[2], instruction[3]]));
        let constant: [u8; 4] = instruction[4..].try_into().expect("half an instruction");
        let far = i64::from(i32::from_le_bytes(constant));
        let to = i64::try_from(at).ok()? + 1 + if wide { far } else { near };
        is_jump.then(|| usize::try_from(to).ok()).flatten()
    };
    code.chunks_exact(STEP).enumerate().filter_map(jump).collect()
}

/// Exchanges neighbours that move into registers which the other does not use,
/// wherever there are such. Not the second half of a wide constant, whose operation is 0.
fn swap(code: &mut [u8], fixed: &[usize]) -> bool {
    let is_free = |at: usize| !fixed.contains(&at);
    let step = |code: &[u8], at: usize| -> [u8; STEP] {
        code[at * STEP..(at + 1) * STEP].try_into().expect("an instruction")
    };
    let (mut swapped, mut at) = (false, 0);
    while at + 1 < code.len() / STEP {
        let (a, b) = (step(code, at), step(code, at + 1));
        let moves = MOVES.contains(&a[0]) && MOVES.contains(&b[0]);
        let (to, from) =
            (|i: &[u8]| i[1] & 0xf, |i: &[u8]| (i[0] == MOVES[1]).then_some(i[1] >> 4));
        let apart = to(&a) != to(&b) && from(&a) != Some(to(&b)) && from(&b) != Some(to(&a));
        if moves && apart && is_free(at) && is_free(at + 1) {
            code[at * STEP..(at + 2) * STEP].rotate_left(STEP);
            swapped = true;
            at += 1;
        }
        at += 1;
    }
    swapped
}

fn half(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

/// A little-endian number of `len` bytes.
fn number(bytes: &[u8], at: usize, len: usize) -> usize {
    bytes[at..at + len].iter().rev().fold(0, |sum, byte| sum << 8 | usize::from(*byte))
}
