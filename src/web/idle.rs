//! Read timeouts of a connection: short within a request's head, long between two requests.
//!
//! hyper has one timeout for both. It gets the long one; the short one is implemented here.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::response::Response;
use hyper::Request;
use hyper::body::Incoming;
use hyper::service::Service;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

/// A connection with a time limit per head, from the head's first byte; for the first head, from the connection's
/// start.
pub struct Timed<T> {
    stream: T,
    limit: Duration,
    /// Deadline of the head that is being read.
    head: Option<Pin<Box<Sleep>>>,
    in_request: Arc<AtomicBool>,
}

impl<T> Timed<T> {
    pub fn new(stream: T, limit: Duration, in_request: Arc<AtomicBool>) -> Self {
        let head = Some(Box::pin(tokio::time::sleep(limit)));
        Self { stream, limit, head, in_request }
    }

    /// Whether a head is late. If it is not yet, this registers a wake-up at its deadline.
    fn is_late(&mut self, cx: &mut Context<'_>) -> bool {
        if self.in_request.load(Ordering::Acquire) {
            self.head = None;
        }
        self.head.as_mut().is_some_and(|head| head.as_mut().poll(cx).is_ready())
    }

    fn bytes_came(&mut self) {
        if self.head.is_none() && !self.in_request.load(Ordering::Acquire) {
            self.head = Some(Box::pin(tokio::time::sleep_until(Instant::now() + self.limit)));
        }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Timed<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        if self.is_late(cx) {
            return Poll::Ready(Err(std::io::ErrorKind::TimedOut.into()));
        }
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        if buf.filled().len() > before {
            self.bytes_came();
        }
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Timed<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// A service that sets a flag while it answers a request.
pub struct Noting<S> {
    pub answer: S,
    pub in_request: Arc<AtomicBool>,
}

/// Clears the flag when it is dropped.
struct InRequest(Arc<AtomicBool>);

impl Drop for InRequest {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

impl<S> Service<Request<Incoming>> for Noting<S>
where
    S: Service<Request<Incoming>, Response = Response, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        self.in_request.store(true, Ordering::Release);
        let noted = InRequest(self.in_request.clone());
        let answering = self.answer.call(request);
        Box::pin(async move {
            let _noted = noted;
            answering.await
        })
    }
}
