//! For packagers: completions and the manual page, made from the arguments.

use std::io;

use clap::CommandFactory;
use clap_complete::Shell;

use crate::cli::args::Cli;
use crate::cli::failure::Failure;
use crate::cli::output::print;

pub(crate) fn completions(shell: Shell) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "enforcer", &mut script);
    print(&String::from_utf8_lossy(&script))
}

pub(crate) fn man() -> Result<(), Failure> {
    print(&String::from_utf8_lossy(&manual()?))
}

/// The page of `enforcer` and, behind it, one section a command.
fn manual() -> io::Result<Vec<u8>> {
    let mut cli = Cli::command();
    cli.build();
    let mut page = Vec::new();
    clap_mangen::Man::new(cli.clone()).render(&mut page)?;
    for command in cli.get_subcommands().filter(|c| c.get_name() != "help") {
        let man = clap_mangen::Man::new(command.clone());
        man.render_name_section(&mut page)?;
        man.render_synopsis_section(&mut page)?;
        man.render_description_section(&mut page)?;
        man.render_options_section(&mut page)?;
    }
    Ok(page)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_command_is_neither_completed_nor_suggested() {
        assert!(Cli::command().get_subcommands().all(|command| !command.is_hide_set()));
    }

    #[test]
    fn the_manual_names_every_command() {
        let page = String::from_utf8(manual().expect("rendered")).expect("text");
        for command in Cli::command().get_subcommands() {
            let name = command.get_name().replace('-', "\\-");
            assert!(page.contains(&format!("enforcer {name}")) || page.contains(&name), "{name}");
        }
    }
}
