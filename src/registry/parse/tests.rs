//! t
#[test]
fn t() {
    assert!(true)
}
