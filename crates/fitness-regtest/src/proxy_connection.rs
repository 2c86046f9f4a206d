//! One connection through the proxy: forwards its bytes in both directions according to the proxy's mode.
//!
//! `proxy` decides whether the connection stays open, and drops it otherwise.

use std::future::pending;
use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::watch;

use crate::proxy::{ModeState, ProxyMode};

/// Forwards a client's connection until both directions have ended or one has failed.
pub(crate) async fn forward(
    mut client: TcpStream,
    target: SocketAddr,
    mut mode: watch::Receiver<ModeState>,
) -> io::Result<()> {
    if next_flow(&mut mode).await == Flow::Discard {
        // The target is never dialled. The end of the connection is discarded as well.
        let _ = tokio::io::copy(&mut client, &mut tokio::io::sink()).await;
        return pending().await;
    }
    let mut server = TcpStream::connect(target).await?;
    // The proxy itself must not delay bytes.
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (mut from_client, mut to_client) = client.split();
    let (mut from_server, mut to_server) = server.split();
    tokio::try_join!(
        forward_direction(&mut from_client, &mut to_server, mode.clone()),
        forward_direction(&mut from_server, &mut to_client, mode.clone()),
    )?;
    Ok(())
}

/// What to do with bytes that have been read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flow {
    Forward,
    Discard,
}

/// Waits until the mode allows bytes to be read, and returns what to do with them.
async fn next_flow(mode: &mut watch::Receiver<ModeState>) -> Flow {
    loop {
        match mode.borrow_and_update().mode {
            ProxyMode::Forwarding => return Flow::Forward,
            ProxyMode::BlackHole => return Flow::Discard,
            ProxyMode::Holding | ProxyMode::Cut => {}
        }
        changed(mode).await;
    }
}

async fn changed(mode: &mut watch::Receiver<ModeState>) {
    if mode.changed().await.is_err() {
        // The proxy is being dropped, which also drops this task.
        pending::<()>().await;
    }
}

/// Forwards one direction, including its end.
async fn forward_direction(
    from: &mut ReadHalf<'_>,
    to: &mut WriteHalf<'_>,
    mut mode: watch::Receiver<ModeState>,
) -> io::Result<()> {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        // Bytes are held by not reading them: they stay in the socket buffers, and a full buffer blocks
        // the sender.
        next_flow(&mut mode).await;
        let read = tokio::select! {
            biased;
            () = changed(&mut mode) => continue,
            read = from.read(&mut buffer) => read,
        };
        // The mode may have changed since the read. The new mode applies to bytes that were sent after the
        // change, so check it again.
        match (next_flow(&mut mode).await, read) {
            (Flow::Forward, Ok(0)) => return to.shutdown().await,
            (Flow::Forward, Ok(count)) => write_all(&buffer[..count], to, &mut mode).await?,
            (Flow::Forward, Err(error)) => return Err(error),
            (Flow::Discard, Ok(1..)) => {}
            (Flow::Discard, Ok(0) | Err(_)) => return pending().await,
        }
    }
}

/// Writes all of `bytes`, unless the mode changes to `BlackHole` meanwhile.
async fn write_all(
    mut bytes: &[u8],
    to: &mut WriteHalf<'_>,
    mode: &mut watch::Receiver<ModeState>,
) -> io::Result<()> {
    while !bytes.is_empty() {
        if next_flow(mode).await == Flow::Discard {
            break;
        }
        tokio::select! {
            biased;
            () = changed(mode) => {}
            written = to.write(bytes) => bytes = &bytes[written?..],
        }
    }
    Ok(())
}
