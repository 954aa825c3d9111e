//! Limits the cost of refused requests: an address that sends many waits for its responses, and only some are logged.
//!
//! Only refused requests count. Genuine webhooks never wait, even if a proxy gives all senders one address.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::sync::lock;

/// Allowed interval between refused requests of one address.
const APART: Duration = Duration::from_millis(20);
/// Allowed burst: a hundred requests.
const AT_ONCE: Duration = Duration::from_secs(2);
/// Delay of a response beyond these limits.
const WAIT: Duration = Duration::from_secs(1);
/// Number of addresses that are tracked separately.
const PEERS: usize = 1024;

/// For each address, the time until which its refused requests use up the allowance.
#[derive(Default)]
pub struct Strangers(Mutex<HashMap<IpAddr, Instant>>);

impl Strangers {
    /// Counts a refused request. Returns how long its response must be delayed.
    pub fn refused(&self, peer: IpAddr, now: Instant) -> Duration {
        let mut peers = lock(&self.0);
        if peers.len() >= PEERS && !peers.contains_key(&peer) {
            peers.retain(|_, paid| *paid > now);
        }
        // Addresses above the limit share one entry.
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

/// Limits log lines of one kind, and counts those left out.
pub struct Throttle(Mutex<Window>);

struct Window {
    began: Option<Instant>,
    lines: u32,
    left_out: u64,
}

/// Maximum number of lines per window.
const LINES: u32 = 10;
const WINDOW: Duration = Duration::from_secs(10);

impl Throttle {
    pub const fn new() -> Self {
        Self(Mutex::new(Window { began: None, lines: 0, left_out: 0 }))
    }

    /// Some if the line may be logged, with the number of lines left out since the last one.
    pub fn line(&self, now: Instant) -> Option<u64> {
        let mut window = lock(&self.0);
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
