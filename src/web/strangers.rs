//! Requests that are refused cost little: the more of them an address sends, the longer each waits for its answer, and
//! only some of them have a line in the log.
//!
//! Only what was refused is counted. Genuine webhooks wait for nothing, also where a proxy gives all senders one
//! address.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// So long apart an address may send what is refused.
const APART: Duration = Duration::from_millis(20);
/// So much may come at once: a hundred.
const AT_ONCE: Duration = Duration::from_secs(2);
/// Beyond it an answer waits.
const WAIT: Duration = Duration::from_secs(1);
/// Addresses that are told apart.
const PEERS: usize = 1024;

/// What each address has sent too much, as the moment until which it is paid for.
#[derive(Default)]
pub struct Strangers(Mutex<HashMap<IpAddr, Instant>>);

impl Strangers {
    /// Notes a refused request; how long its answer waits.
    pub fn refused(&self, peer: IpAddr, now: Instant) -> Duration {
        let mut peers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if peers.len() >= PEERS && !peers.contains_key(&peer) {
            peers.retain(|_, paid| *paid > now);
        }
        // The rest shares one measure.
        let full = peers.len() >= PEERS && !peers.contains_key(&peer);
        let peer = if full { Ipv4Addr::UNSPECIFIED.into() } else { peer };
        let paid = peers.entry(peer).or_insert(now);
        *paid = (*paid).max(now);
        if *paid - now >= AT_ONCE {
            return WAIT;
        }
        *paid += APART;
        Duration::ZERO
    }
}

/// Lines of one kind: some now and then, the others counted.
pub struct Throttle(Mutex<Window>);

struct Window {
    began: Option<Instant>,
    lines: u32,
    left_out: u64,
}

/// Lines of one kind within a window.
const LINES: u32 = 10;
const WINDOW: Duration = Duration::from_secs(10);

impl Throttle {
    pub const fn new() -> Self {
        Self(Mutex::new(Window { began: None, lines: 0, left_out: 0 }))
    }

    /// Whether there is a line for it, and how many there were none for since the last line.
    pub fn line(&self, now: Instant) -> Option<u64> {
        let mut window = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if window.began.is_none_or(|began| now - began >= WINDOW) {
            (window.began, window.lines) = (Some(now), 0);
        }
        if window.lines == LINES {
            window.left_out += 1;
            return None;
        }
        window.lines += 1;
        Some(std::mem::take(&mut window.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d08_who_is_refused_too_often_waits_and_nobody_else() {
        let (strangers, now) = (Strangers::default(), Instant::now());
        let (one, other) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2]));
        let waits = |peer, at| strangers.refused(peer, at);
        assert!((0..100).all(|_| waits(one, now).is_zero()));
        assert_eq!(waits(one, now), WAIT);
        assert!(waits(other, now).is_zero());
        assert!(waits(one, now + APART).is_zero());
        assert_eq!(waits(one, now + APART), WAIT);
        for n in 0..5000u32 {
            waits(IpAddr::V4((0x0b00_0000 + n).into()), now);
        }
        assert!(strangers.0.lock().unwrap().len() <= PEERS + 1);
        assert!(waits(IpAddr::from([12, 0, 0, 1]), now + AT_ONCE * 2).is_zero());
    }

    #[test]
    fn d08_lines_are_few_and_the_others_are_counted() {
        let (throttle, now) = (Throttle::new(), Instant::now());
        let lines = (0..100).filter(|_| throttle.line(now).is_some()).count();
        assert_eq!(lines, 10);
        assert_eq!(throttle.line(now + WINDOW), Some(90));
        assert_eq!(throttle.line(now + WINDOW), Some(0));
    }
}
