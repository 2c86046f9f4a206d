//! One connection through the proxy: its bytes, in both directions, under the regime of the moment.
//!
//! Whether the connection may live at all is decided in `proxy`, which drops it where not.

use std::future::pending;
use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::watch;

use crate::proxy::{ProxyMode, Regime};

/// Serves a client's connection until both of its directions have ended, or one has broken.
pub(crate) async fn carry(
    mut client: TcpStream,
    target: SocketAddr,
    mut regime: watch::Receiver<Regime>,
) -> io::Result<()> {
    if next_flow(&mut regime).await == Flow::Swallow {
        // The target never hears of this client. How the copy ends is swallowed as well.
        let _ = tokio::io::copy(&mut client, &mut tokio::io::sink()).await;
        return pending().await;
    }
    let mut server = TcpStream::connect(target).await?;
    // Delays are for the tests to make.
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (mut from_client, mut to_client) = client.split();
    let (mut from_server, mut to_server) = server.split();
    tokio::try_join!(
        pump(&mut from_client, &mut to_server, regime.clone()),
        pump(&mut from_server, &mut to_client, regime.clone()),
    )?;
    Ok(())
}

/// What becomes of bytes that have been read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flow {
    Forward,
    Swallow,
}

/// Waits until bytes may be moved, and says where to.
async fn next_flow(regime: &mut watch::Receiver<Regime>) -> Flow {
    loop {
        match regime.borrow_and_update().mode {
            ProxyMode::Forwarding => return Flow::Forward,
            ProxyMode::BlackHole => return Flow::Swallow,
            ProxyMode::Holding | ProxyMode::Cut => {}
        }
        change(regime).await;
    }
}

async fn change(regime: &mut watch::Receiver<Regime>) {
    if regime.changed().await.is_err() {
        // The proxy is being dropped, and this task with it.
        pending::<()>().await;
    }
}

/// Moves one direction, its end included.
async fn pump(
    from: &mut ReadHalf<'_>,
    to: &mut WriteHalf<'_>,
    mut regime: watch::Receiver<Regime>,
) -> io::Result<()> {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        // To hold bytes is not to read them: the sockets keep them, and push back when full.
        next_flow(&mut regime).await;
        let read = tokio::select! {
            biased;
            () = change(&mut regime) => continue,
            read = from.read(&mut buffer) => read,
        };
        // The regime may have changed since the bytes came. It has to count for bytes that were
        // written after the change, so it is asked again.
        match (next_flow(&mut regime).await, read) {
            (Flow::Forward, Ok(0)) => return to.shutdown().await,
            (Flow::Forward, Ok(count)) => deliver(&buffer[..count], to, &mut regime).await?,
            (Flow::Forward, Err(error)) => return Err(error),
            (Flow::Swallow, Ok(1..)) => {}
            (Flow::Swallow, Ok(0) | Err(_)) => return pending().await,
        }
    }
}

/// Writes all of `bytes`, unless they fall into a black hole on the way.
async fn deliver(
    mut bytes: &[u8],
    to: &mut WriteHalf<'_>,
    regime: &mut watch::Receiver<Regime>,
) -> io::Result<()> {
    while !bytes.is_empty() {
        if next_flow(regime).await == Flow::Swallow {
            break;
        }
        tokio::select! {
            biased;
            () = change(regime) => {}
            written = to.write(bytes) => bytes = &bytes[written?..],
        }
    }
    Ok(())
}
