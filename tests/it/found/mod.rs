//! Faults found with other stand-ins for both remotes, each as an example of its kind.

mod charset;
mod everything;
mod hidden;
mod merged;
mod overtaken;
mod parts;
mod paused;
mod refused;
mod told;
mod unread;
