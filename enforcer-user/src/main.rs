//! The `enforcer` binary: everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    enforcer_user::cli::main()
}
