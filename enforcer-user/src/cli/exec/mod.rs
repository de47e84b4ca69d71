//! `enforcer exec`.

mod identity;
mod stdio;
mod image;
mod child;
mod launch;
mod supervise;
#[cfg(test)]
mod tests;
