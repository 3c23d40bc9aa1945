//! What is held back for peers that do not take it yet, and who may add to it.
//!
//! One rule for all: nobody may hold more than is then still free. So one greedy client fills half of the room and two
//! fill two thirds, whoever holds little finds some, and the whole is never exceeded.

use super::request::Refusal;
use super::session::{CHUNK, SessionId, UNREAD_MAX};
use super::switch::Switch;
use crate::upstream::instance::Instance;
use crate::wire::code;
use crate::wire::{BUFFER_MAX, LINE_MAX};

/// The most that waits for one server, of all clients together, in bytes.
const SERVER_MAX: usize = BUFFER_MAX / 2;

/// While no more than this waits for a server, in bytes, what comes next is taken without adding up all buffers.
const UNCHECKED: usize = 64 << 10;

/// So many bytes of a line are always read: what there is no room for is refused by its id.
const LINE_LEAST: usize = CHUNK;

/// How many more bytes somebody may hold who holds `own`, where `held` of `most` are taken by all together.
fn room(most: usize, held: usize, own: usize) -> usize {
    most.saturating_sub(held).saturating_sub(own) / 2
}

/// What a client hears for which as much is held back as there may be.
pub fn no_room() -> Refusal {
    Refusal::new(code::BUSY, "too much waits for this client's servers and for itself")
}

/// Bytes of requests that wait for a server.
fn waiting_for(instance: &Instance) -> usize {
    instance.unwritten() + instance.calls.waiting_bytes()
}

impl Switch {
    /// Whether there is room for a client's request to a server. What one peer leaves unread is bounded: past that its
    /// calls are refused, not gathered.
    pub fn check_room(&self, client: SessionId, server: &Instance, bytes: usize) -> Result<(), Refusal> {
        let unread = self.sessions.get(&client).map_or(0, |session| session.out.pending().len());
        if unread > UNREAD_MAX {
            return Err(Refusal::new(code::BUSY, "this client does not read its answers"));
        }
        self.check_share(client, server, bytes)
    }

    /// Whether there is room for what a client says to a server beside what it has waiting, whoever else has how much.
    pub fn check_share(&self, client: SessionId, server: &Instance, bytes: usize) -> Result<(), Refusal> {
        let waiting = waiting_for(server);
        if waiting + bytes <= UNCHECKED {
            return Ok(());
        }
        let own = server.calls.bytes_of(client, server.unwritten());
        if bytes > room(SERVER_MAX, waiting, own) {
            let text = format!("too many calls of this client wait for {}", server.name());
            return Err(Refusal::new(code::BUSY, text).server(server.name()));
        }
        if bytes > self.room_of(client) {
            return Err(no_room());
        }
        Ok(())
    }

    /// Whether so much may be said to a server that counts as nobody's. A little always may.
    pub fn has_spare_room(&self, server: &Instance, bytes: usize) -> bool {
        let waiting = waiting_for(server);
        if waiting + bytes <= UNCHECKED {
            return true;
        }
        let held = self.buffered();
        bytes <= room(SERVER_MAX, waiting, waiting) && bytes <= room(BUFFER_MAX, held, held)
    }

    /// How many more bytes may be held back for a client.
    pub fn room_of(&self, client: SessionId) -> usize {
        room(BUFFER_MAX, self.buffered(), self.held_of(client))
    }

    /// How long a client's line may be of which `held` bytes have come.
    pub fn client_line_limit(&self, client: SessionId, held: usize) -> usize {
        // Adding up is for long lines only.
        match held {
            0 => LINE_MAX,
            held => {
                let (all, own) = (self.buffered(), self.held_of(client));
                room(BUFFER_MAX, all.saturating_sub(held), own.saturating_sub(held))
                    .clamp(LINE_LEAST, LINE_MAX)
            }
        }
    }

    /// How long a server's line may be of which `held` bytes have come.
    pub fn server_line_limit(&self, held: usize) -> usize {
        match held {
            0 => LINE_MAX,
            held => room(BUFFER_MAX, self.buffered().saturating_sub(held), 0).clamp(LINE_LEAST, LINE_MAX),
        }
    }

    /// Bytes held back for slow readers, for servers that are not ready, and of lines that have not come whole.
    pub fn buffered(&self) -> usize {
        let to_clients: usize =
            self.sessions.values().map(|session| session.out.pending().len() + session.held).sum();
        let to_servers: usize =
            self.instances.values().map(|instance| waiting_for(instance) + instance.held.get()).sum();
        to_clients + to_servers
    }

    /// What of that is one client's.
    fn held_of(&self, client: SessionId) -> usize {
        let Some(session) = self.sessions.get(&client) else { return 0 };
        let servers = session.used.iter().filter_map(|id| self.instances.get(id));
        let to_servers: usize =
            servers.map(|instance| instance.calls.bytes_of(client, instance.unwritten())).sum();
        session.out.pending().len() + session.held + to_servers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes as much as it is given, in pieces.
    fn greedy(most: usize, held: usize, own: usize, piece: usize) -> usize {
        let mut more = 0;
        while piece <= room(most, held + more, own + more) {
            more += piece;
        }
        own + more
    }

    #[test]
    fn the_greedy_leave_room_for_those_who_hold_little() {
        const MOST: usize = 1000;
        let first = greedy(MOST, 0, 0, 1);
        assert!((490..=500).contains(&first), "{first}");
        assert!(room(MOST, first, 0) >= 240, "another's one message");
        let second = greedy(MOST, first, 0, 1);
        assert!((240..=250).contains(&second), "{second}");
        assert_eq!(room(MOST, first + second, first), 0, "the first is beyond its share");
        let clients = (0..9).fold(0, |held, _| held + greedy(MOST, held, 0, 1));
        assert!(clients < MOST);
        // One message cannot take what is left for others either.
        assert_eq!((room(MOST, 0, 0), room(MOST, 500, 0), room(MOST, 1500, 0)), (500, 250, 0));
    }
}
