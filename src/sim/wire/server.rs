//! The listening server of a simulator.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use super::{Wire, exchange};

/// A simulator's listening server. When dropped, it closes with all its connections.
pub struct Server {
    addr: SocketAddr,
    task: JoinHandle<()>,
}

impl Server {
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Stops listening and cuts all connections.
    pub async fn stop(mut self) {
        self.task.abort();
        // The only possible result is the cancellation.
        let _ = (&mut self.task).await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Serves `router` on the listener, with the faults and the log of `wire`, until dropped or stopped.
pub async fn serve(listener: TcpListener, router: Router, wire: Wire) -> Server {
    let addr = listener.local_addr().expect("a bound listener has an address");
    let task = tokio::spawn(accept(listener, router, wire));
    Server { addr, task }
}

async fn accept(listener: TcpListener, router: Router, wire: Wire) {
    // Aborting this task drops the set, and with it every connection.
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connection(stream, router.clone(), wire.clone()));
                }
                // Probably out of file descriptors: other connections have to close first.
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn connection(stream: TcpStream, router: Router, wire: Wire) {
    // Otherwise small answers wait for the client's delayed acknowledgement.
    let _ = stream.set_nodelay(true);
    let service = hyper::service::service_fn(move |request: http::Request<Incoming>| {
        exchange(request, router.clone(), wire.clone())
    });
    // A cut connection ends with our own error here, which need not be reported.
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}
