//! Providers: what each is sent, and what its answers mean.

pub(super) mod oauth2;
pub(super) mod vault;
mod xml;
pub(super) mod aws;
pub(super) mod aws_key;
pub(super) mod aws_role;
pub(super) mod gcp;
pub(super) mod github;
pub(super) mod gitlab;
pub(super) mod slack;
pub(super) mod openai;
pub(super) mod anthropic;
