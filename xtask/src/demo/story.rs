//! How the demo talks: numbered acts, commands as one would type them, and
//! what came of each; readable without colour.

use std::io::IsTerminal;

/// Says what comes next.
pub(crate) fn act(number: u32, title: &str) {
    println!("\n{}", bold(&format!("{number}. {title}")));
}

/// A command as a person would type it.
pub(crate) fn typed(command: &str) {
    println!("   $ {command}");
}

/// Lines that a command printed.
pub(crate) fn printed(text: &str) {
    text.lines().filter(|line| !line.trim().is_empty()).for_each(|line| println!("     {line}"));
}

/// What it means.
pub(crate) fn so(text: &str) {
    println!("   → {text}");
}

fn bold(text: &str) -> String {
    let plain = std::env::var_os("NO_COLOR").is_some() || !std::io::stdout().is_terminal();
    if plain { text.to_owned() } else { format!("\u{1b}[1m{text}\u{1b}[0m") }
}
