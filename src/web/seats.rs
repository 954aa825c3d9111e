//! Which connection is closed when a listener is full: the oldest one without a valid signature.
//!
//! A connection costs an attacker nothing, and he can hold it until the timeouts. So a new connection is always
//! accepted. A full listener closes the oldest unverified connection of the address that has most of them. Behind a
//! proxy all have one address; then it closes simply the oldest. A genuine sender shows its signature within
//! milliseconds, so it is not affected.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio_util::sync::CancellationToken;

use crate::aside::LARGE;
use crate::sync::lock;

/// No request on it was authenticated yet.
const STRANGER: u8 = 0;
/// A request on it was authenticated before; it waits for the next one.
const KNOWN: u8 = 1;
/// An authenticated request is being answered.
const BUSY: u8 = 2;

/// The connections of one listener.
pub struct Seats {
    most: usize,
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    next: u64,
    seats: BTreeMap<u64, Arc<Place>>,
}

struct Place {
    peer: IpAddr,
    standing: AtomicU8,
    /// Bytes of its unverified body.
    held: AtomicUsize,
    leave: CancellationToken,
}

/// The slot of one connection; freed when the last clone is dropped.
#[derive(Clone)]
pub struct Seat(Arc<Owned>);

struct Owned {
    number: u64,
    place: Arc<Place>,
    seats: Arc<Seats>,
}

/// Keeps the connection open while an authenticated request is answered.
pub struct Busy(Arc<Place>);

impl Seats {
    pub fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most, taken: Mutex::default() })
    }

    /// A slot for a new connection. If all are used, another connection is closed; none if all of them are busy.
    pub fn take(self: &Arc<Self>, peer: IpAddr) -> Option<Seat> {
        let mut taken = lock(&self.taken);
        if taken.seats.len() >= self.most {
            let leaving = taken.idlest()?;
            taken.dismiss(leaving);
        }
        let number = taken.next;
        taken.next += 1;
        let place = Place {
            peer: network(peer),
            standing: AtomicU8::new(STRANGER),
            held: AtomicUsize::new(0),
            leave: CancellationToken::new(),
        };
        let place = Arc::new(place);
        taken.seats.insert(number, place.clone());
        drop(taken);
        Some(Seat(Arc::new(Owned { number, place, seats: self.clone() })))
    }
}

impl Taken {
    /// The oldest stranger of the address that has most strangers. If there are none, the oldest idle known connection.
    fn idlest(&self) -> Option<u64> {
        let mut strangers: HashMap<IpAddr, (usize, u64)> = HashMap::new();
        for (number, place) in self.of_standing(STRANGER) {
            strangers.entry(place.peer).or_insert((0, *number)).0 += 1;
        }
        let most = strangers.into_values().max_by_key(|(count, oldest)| (*count, u64::MAX - oldest));
        most.map(|(_, oldest)| oldest).or_else(|| self.of_standing(KNOWN).next().map(|(number, _)| *number))
    }

    fn of_standing(&self, standing: u8) -> impl Iterator<Item = (&u64, &Arc<Place>)> {
        self.seats.iter().filter(move |(_, place)| place.standing.load(Ordering::SeqCst) == standing)
    }

    fn dismiss(&mut self, number: u64) {
        if let Some(place) = self.seats.remove(&number) {
            place.leave.cancel();
        }
    }
}

impl Seat {
    pub fn peer(&self) -> IpAddr {
        self.0.place.peer
    }

    /// Resolves when this connection must be closed to make room for another one.
    pub async fn must_leave(&self) {
        self.0.place.leave.cancelled().await;
    }

    pub fn believed(&self) -> Busy {
        self.0.place.standing.store(BUSY, Ordering::SeqCst);
        Busy(self.0.place.clone())
    }

    /// Records the memory of its unverified body, in bytes.
    pub fn holds(&self, bytes: usize) {
        self.0.place.held.store(bytes, Ordering::SeqCst);
    }

    /// Closes the other connection that holds most memory of the same budget for an unverified body.
    pub fn make_room(&self, large: bool) {
        let mut taken = lock(&self.0.seats.taken);
        let held = |place: &Place| place.held.load(Ordering::SeqCst);
        let others = taken.of_standing(STRANGER).filter(|(number, place)| {
            **number != self.0.number && held(place) > 0 && (held(place) > LARGE) == large
        });
        let most = others.max_by_key(|(number, place)| (held(place), u64::MAX - **number)).map(|(n, _)| *n);
        if let Some(number) = most {
            taken.dismiss(number);
        }
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        lock(&self.seats.taken).seats.remove(&self.number);
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.standing.store(KNOWN, Ordering::SeqCst);
        self.0.held.store(0, Ordering::SeqCst);
    }
}

/// The owner of one IPv6 address usually has 2^64 of them, so its /64 network counts as one peer.
fn network(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        short @ IpAddr::V4(_) => short,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(last: u8) -> IpAddr {
        [10, 0, 0, last].into()
    }

    fn left(seat: &Seat) -> bool {
        seat.0.place.leave.is_cancelled()
    }

    #[test]
    fn d08_a_full_door_gives_up_the_oldest_stranger_of_the_busiest_address() {
        let seats = Seats::new(4);
        let all: Vec<Seat> = [1, 2, 2, 2].map(|n| seats.take(peer(n)).unwrap()).into();
        drop(all[1].believed());
        let fifth = seats.take(peer(3)).unwrap();
        assert_eq!(all.iter().map(left).collect::<Vec<_>>(), [false, false, true, false]);
        let _sixth = seats.take(peer(3)).unwrap();
        assert!(left(&all[0]), "one of each: the oldest");
        let _seventh = seats.take(peer(4)).unwrap();
        assert!(left(&fifth) && !left(&all[1]), "who was believed once goes last");
    }

    #[test]
    fn nobody_leaves_in_the_middle_of_a_request_that_is_believed() {
        let seats = Seats::new(2);
        let two = [1, 2].map(|n| seats.take(peer(n)).unwrap());
        let busy = two.each_ref().map(Seat::believed);
        assert!(seats.take(peer(3)).is_none());
        drop(busy);
        assert!(seats.take(peer(3)).is_some() && left(&two[0]));
        drop(two);
        assert_eq!(lock(&seats.taken).seats.len(), 0);
    }

    #[test]
    fn memory_is_given_up_by_who_holds_it_unverified() {
        let seats = Seats::new(4);
        let four = [1, 2, 3, 4].map(|n| seats.take(peer(n)).unwrap());
        let left = || four.iter().map(left).collect::<Vec<_>>();
        [9, 1, 2, 3].into_iter().zip(&four).for_each(|(bytes, seat)| seat.holds(bytes));
        let _busy = four[0].believed();
        four[3].make_room(true);
        assert_eq!(left(), [false; 4], "nobody holds a large one");
        four[3].make_room(false);
        assert_eq!(left(), [false, false, true, false]);
        four[1].holds(LARGE + 1);
        four[3].make_room(true);
        assert_eq!(left(), [false, true, true, false]);
    }

    #[test]
    fn networks_of_version_6_are_one_peer() {
        let parsed = |text: &str| network(text.parse().unwrap());
        assert_eq!(parsed("2001:db8::1"), parsed("2001:db8::ffff:1"));
        assert_ne!(parsed("2001:db8::1"), parsed("2001:db8:0:1::1"));
        assert_eq!(parsed("::ffff:10.0.0.1"), peer(1));
    }
}
