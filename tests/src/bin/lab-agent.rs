//! What an agent in the lab runs: it acts on words and answers in JSON.

use std::process::ExitCode;

fn main() -> ExitCode {
    enforcer_tests::actor::main()
}
