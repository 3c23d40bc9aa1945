use super::super::purpose::Search;
use super::*;

const LIMIT: Duration = Duration::from_secs(9);

fn client(session: u32) -> Asker {
    let id = Id::from(&b"1"[..]);
    Asker::Client { session, id, token: None, purpose: Purpose::Plain, topic: Topic::untold() }
}

fn wait(calls: &mut Calls, session: u32) -> u64 {
    let id = calls.mint();
    calls.wait(id, client(session), Instant::now(), LIMIT, vec![b'x'; 10]);
    id
}

fn send(calls: &mut Calls, session: u32) -> u64 {
    let id = calls.mint();
    calls.sent(id, client(session), Instant::now(), LIMIT, 0..1);
    id
}

#[test]
fn given_up_calls_leave_the_queue_and_unsent_ones_go_back_in_order() {
    let mut calls = Calls::default();
    let ids: Vec<u64> = (0..3).map(|_| wait(&mut calls, 1)).collect();
    calls.remove(ids[0]);
    assert_eq!((calls.waiting(), calls.waiting_bytes(), calls.under_way), (2, 20, 0));
    let (second, line) = calls.next_waiting(None).unwrap();
    let now = Instant::now();
    calls.now_sent(second, 0..10, now + LIMIT);
    assert_eq!(calls.get(second).unwrap().stages(now + LIMIT * 3).1, LIMIT * 2);
    assert_eq!((second, calls.under_way, calls.waiting_bytes()), (ids[1], 1, 10));
    assert_eq!([0, 4, 99].map(|unwritten| calls.bytes_of(1, unwritten)), [10, 14, 20]);
    calls.wait_again(vec![(second, line)]);
    assert_eq!((calls.under_way, calls.waiting(), calls.bytes_of(1, 99)), (0, 2, 20));
    assert_eq!(calls.next_waiting(None).unwrap().0, ids[1]);
    assert_eq!(calls.next_waiting(None).unwrap().0, ids[2]);
    assert!(calls.next_waiting(None).is_none());
    assert_eq!((calls.waiting_bytes(), calls.bytes_of(1, 99)), (0, 0));
}

#[test]
fn clients_take_turns_and_none_has_more_than_its_share() {
    let mut calls = Calls::default();
    let sent: Vec<u64> = (0..CLIENT_MAX).map(|_| send(&mut calls, 1)).collect();
    assert!(!calls.has_room(1, None) && calls.has_room(2, None));
    let greedy = wait(&mut calls, 1);
    let others = [wait(&mut calls, 2), wait(&mut calls, 2), wait(&mut calls, 3)];
    assert!(calls.has_room(4, None) && !calls.has_room(4, Some(1000)), "others wait for a common place");
    let mut order = Vec::new();
    while let Some((id, _)) = calls.next_waiting(None) {
        calls.now_sent(id, 0..1, Instant::now());
        order.push(id);
    }
    assert_eq!(order, [others[0], others[2], others[1]]);
    calls.remove(sent[0]);
    assert_eq!(calls.next_waiting(None).map(|(id, _)| id), Some(greedy));
    let callers: std::collections::BTreeSet<u32> = calls.callers(Instant::now()).collect();
    assert_eq!(callers.into_iter().collect::<Vec<_>>(), [1, 2, 3]);
}

#[test]
fn only_calls_of_clients_take_a_place() {
    let now = Instant::now();
    let mut calls = Calls::default();
    let own = calls.mint();
    calls.sent(own, Asker::Errand, now, LIMIT, 0..1);
    let call = send(&mut calls, 1);
    wait(&mut calls, 2);
    assert_eq!(calls.under_way, 1);
    assert!(calls.next_waiting(Some(1)).is_none());
    calls.remove(own);
    assert_eq!(calls.under_way, 1);
    calls.remove(call);
    assert!(calls.next_waiting(Some(1)).is_some());
}

#[test]
fn questions_about_tasks_take_no_place_but_wait_for_their_server_and_come_back() {
    let now = Instant::now();
    let mut calls = Calls::default();
    let mut asker = client(1);
    let Asker::Client { purpose, .. } = &mut asker else { panic!("a client") };
    *purpose = Purpose::TaskWord("t".into());
    let id = calls.mint();
    calls.wait(id, asker, now, LIMIT, vec![b'x'; 10]);
    let (next, line) = calls.next_waiting(Some(1)).unwrap();
    calls.now_sent(next, 0..10, now);
    assert_eq!((next, calls.under_way, calls.callers(now).count()), (id, 0, 1));
    calls.wait_again(vec![(id, line)]);
    assert_eq!((calls.waiting(), calls.under_way), (1, 0));
    calls.remove(id);
    assert_eq!((calls.waiting(), calls.len()), (0, 0));
}

#[test]
fn the_whole_queue_can_be_taken() {
    let mut calls = Calls::default();
    send(&mut calls, 1);
    wait(&mut calls, 2);
    let taken: Vec<_> = calls.take_waiting().into_iter().map(|(open, line)| (open.asker, line)).collect();
    assert_eq!(taken, [(client(2), vec![b'x'; 10])]);
    assert_eq!((calls.len(), calls.waiting(), calls.waiting_bytes()), (1, 0, 0));
}

#[test]
fn progress_moves_the_deadline() {
    let now = Instant::now();
    let mut calls = Calls::default();
    let id = calls.mint();
    calls.sent(id, Asker::Errand, now, LIMIT, 0..1);
    let later = now + LIMIT / 2;
    assert_eq!(calls.progress(id, later), Some(&Asker::Errand));
    assert_eq!(calls.first_deadline(), Some(later + LIMIT));
    assert_eq!(calls.progress(99, later), None);
}

#[test]
fn a_search_has_the_time_of_one_call() {
    let began = Instant::now();
    let mut calls = Calls::default();
    let id = calls.mint();
    let mut asker = client(1);
    let Asker::Client { purpose, .. } = &mut asker else { panic!("a client") };
    let search = Search { line: (*b"{}").into(), rest: Vec::new(), began, likely: 0, error: None };
    *purpose = Purpose::Search(Box::new(search));
    calls.wait(id, asker, began + LIMIT / 3, LIMIT, vec![b'x'; 10]);
    assert_eq!(calls.first_deadline(), Some(began + LIMIT));
    let later = began + LIMIT / 2;
    let Some(Asker::Client { purpose: Purpose::Search(search), .. }) = calls.progress(id, later) else {
        panic!("a search")
    };
    assert_eq!((search.began, calls.first_deadline()), (later, Some(later + LIMIT)));
}
