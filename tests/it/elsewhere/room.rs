//! What waits for a server elsewhere is bounded, as what waits for a server of one's own is.

use serde_json::json;

use super::{Place, assert_failed, outcome};
use crate::support::elsewhere::{Elsewhere, Fault};

/// So many texts of this size, in bytes, are half of what may wait for one server. The lines around them do not fit.
const BIG: usize = 8 << 20;
const HALF: usize = 8;

/// So much takes its time on a busy machine.
fn call_big(place: &mut Place, text: &str) -> Result<String, (String, String)> {
    let id = place.begin(text);
    outcome(&place.client.answer(id))
}

#[test]
fn a_slow_server_has_no_more_of_a_client_than_there_is_room_for() {
    let server = Elsewhere::start();
    let mut place = Place::new(&server.url(), "");
    let mut other = place.home.client();
    let text = "x".repeat(BIG);
    (0..HALF).for_each(|_| server.wrong("tools/call", Fault::Hold));
    let held: Vec<u64> = (1..HALF).map(|_| place.begin(&text)).collect();
    for _ in 0..2 {
        assert_failed(call_big(&mut place, &text), "BUSY", "too many calls of this client wait for far");
    }
    server.wait("calls", |known| known.done.len() == held.len());
    server.tell(|known| known.forget_faults());
    // There is room for others, and for what is small; the servers beside it are called as ever.
    assert_eq!(other.call_text("far__note", json!({"text": "hello"})), "hello");
    assert_eq!(place.call("small").as_deref(), Ok("small"));
    assert_eq!(place.client.call_text("near__echo", json!({"message": "near"})), "near");
    server.release();
    for id in held {
        assert_eq!(outcome(&place.client.answer(id)).map(|text| text.len()), Ok(BIG));
    }
    // What has been answered waits no more.
    assert_eq!(call_big(&mut place, &text).map(|text| text.len()), Ok(BIG));
}
