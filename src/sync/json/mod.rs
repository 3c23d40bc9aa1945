//! JSON files, with comments and trailing commas where the client takes them. Pure.

pub mod edit;
pub mod scan;
#[cfg(test)]
mod tests;
