//! The proxy between two plain sockets, in each of its modes.
#![allow(clippy::unwrap_used, reason = "a failed step fails the test")]

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::time::Duration;

use fitness_regtest::{Proxy, ProxyMode};

/// Long enough for any machine. No passing test waits this long.
const TIMEOUT: Duration = Duration::from_secs(30);

struct Setup {
    target: TcpListener,
    proxy: Proxy,
    /// Connections that [`Setup::assert_no_bytes`] has made.
    probes: Vec<TcpStream>,
}

impl Setup {
    fn new() -> Self {
        let target = TcpListener::bind("127.0.0.1:0").unwrap();
        let proxy = Proxy::start(target.local_addr().unwrap()).unwrap();
        Self { target, proxy, probes: vec![] }
    }

    fn dial(&self) -> TcpStream {
        let client = TcpStream::connect(self.proxy.addr()).unwrap();
        client.set_read_timeout(Some(TIMEOUT)).unwrap();
        client.set_write_timeout(Some(TIMEOUT)).unwrap();
        client
    }

    fn accept(&self) -> TcpStream {
        let server = self.target.accept().unwrap().0;
        server.set_read_timeout(Some(TIMEOUT)).unwrap();
        server.set_write_timeout(Some(TIMEOUT)).unwrap();
        server
    }

    /// Returns both ends of a connection that forwards bytes.
    fn connect(&self) -> (TcpStream, TcpStream) {
        let (mut client, mut server) = (self.dial(), self.accept());
        assert_passes(&mut client, &mut server, b"request");
        assert_passes(&mut server, &mut client, b"reply");
        (client, server)
    }

    /// Returns whether the target has been dialled since it last accepted a connection.
    fn target_was_dialled(&self) -> bool {
        self.target.set_nonblocking(true).unwrap();
        let accepted = self.target.accept();
        self.target.set_nonblocking(false).unwrap();
        accepted.is_ok()
    }

    fn wait_for_live(&self, count: usize) {
        while self.proxy.live_connections() != count {
            std::thread::yield_now();
        }
    }

    /// Returns the number of live connections without the probes.
    fn live_connections(&self) -> usize {
        self.proxy.live_connections() - self.probes.len()
    }

    /// Asserts that a stream is open and that the proxy does not forward bytes to it. The mode must keep
    /// connections open.
    ///
    /// The proxy has one thread. Once it has accepted new connections one after the other, it has also
    /// handled the bytes that were sent before.
    fn assert_no_bytes(&mut self, stream: &mut TcpStream) {
        for _ in 0..3 {
            let live = self.proxy.live_connections();
            self.probes.push(self.dial());
            self.wait_for_live(live + 1);
        }
        stream.set_nonblocking(true).unwrap();
        let error = stream.read(&mut [0]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
        stream.set_nonblocking(false).unwrap();
    }
}

fn assert_passes(from: &mut TcpStream, to: &mut TcpStream, bytes: &[u8]) {
    from.write_all(bytes).unwrap();
    let mut arrived = vec![0; bytes.len()];
    to.read_exact(&mut arrived).unwrap();
    assert_eq!(arrived, bytes);
}

/// Asserts that a stream has ended or was reset.
fn assert_ended(stream: &mut TcpStream) {
    match stream.read(&mut [0]) {
        Ok(count) => assert_eq!(count, 0),
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
    }
}

#[test]
fn bytes_are_forwarded_in_both_directions_of_several_connections() {
    let setup = Setup::new();
    assert_eq!(setup.proxy.mode(), ProxyMode::Forwarding);
    assert_eq!(setup.proxy.target(), setup.target.local_addr().unwrap());
    assert_eq!(setup.proxy.live_connections(), 0);
    let (mut client, mut server) = setup.connect();
    let (mut other_client, mut other_server) = setup.connect();
    assert_eq!(setup.proxy.live_connections(), 2);
    assert_passes(&mut client, &mut server, b"one");
    assert_passes(&mut other_server, &mut other_client, b"two");
    drop(other_client);
    assert_ended(&mut other_server);
    drop(other_server);
    setup.wait_for_live(1);
    assert_passes(&mut server, &mut client, b"three");
}

#[test]
fn more_bytes_than_the_buffers_hold_are_forwarded() {
    let setup = Setup::new();
    let (mut client, mut server) = setup.connect();
    let bytes: Vec<u8> = (0..20_000_000u32).map(|n| n.to_le_bytes()[0]).collect();
    let sent = bytes.clone();
    let sending = std::thread::spawn(move || {
        client.write_all(&sent).unwrap();
        client
    });
    let mut arrived = vec![0; bytes.len()];
    server.read_exact(&mut arrived).unwrap();
    assert!(arrived == bytes);
    drop(sending.join().unwrap());
    assert_ended(&mut server);
}

#[test]
fn one_direction_can_end_before_the_other() {
    let setup = Setup::new();
    let (mut client, mut server) = setup.connect();
    client.shutdown(Shutdown::Write).unwrap();
    assert_ended(&mut server);
    assert_passes(&mut server, &mut client, b"late");
    assert_eq!(setup.proxy.live_connections(), 1);
    server.shutdown(Shutdown::Write).unwrap();
    assert_ended(&mut client);
    setup.wait_for_live(0);
}

#[test]
fn cut_closes_open_and_new_connections() {
    let setup = Setup::new();
    let (mut client, mut server) = setup.connect();
    setup.proxy.cut();
    assert_eq!(setup.proxy.mode(), ProxyMode::Cut);
    assert_ended(&mut client);
    assert_ended(&mut server);
    setup.wait_for_live(0);

    assert_ended(&mut setup.dial());
    assert!(!setup.target_was_dialled());
    assert_eq!(setup.proxy.live_connections(), 0);

    setup.proxy.restore();
    setup.connect();
}

#[test]
fn cut_that_is_restored_immediately_closes_connections() {
    let setup = Setup::new();
    let (mut client, mut server) = setup.connect();
    setup.proxy.cut();
    setup.proxy.restore();
    assert_ended(&mut client);
    assert_ended(&mut server);
    setup.connect();
}

#[test]
fn held_bytes_arrive_after_restore() {
    let mut setup = Setup::new();
    let (mut client, mut server) = setup.connect();
    setup.proxy.hold();
    assert_eq!(setup.proxy.mode(), ProxyMode::Holding);
    client.write_all(b"question").unwrap();
    server.write_all(b"answer").unwrap();
    setup.assert_no_bytes(&mut client);
    setup.assert_no_bytes(&mut server);

    setup.proxy.restore();
    let mut question = [0; 8];
    server.read_exact(&mut question).unwrap();
    assert_eq!(&question, b"question");
    let mut answer = [0; 6];
    client.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"answer");
    assert_passes(&mut client, &mut server, b"next");
}

#[test]
fn end_of_a_held_connection_arrives_after_its_bytes() {
    let mut setup = Setup::new();
    let (mut client, mut server) = setup.connect();
    setup.proxy.hold();
    client.write_all(b"last words").unwrap();
    drop(client);
    setup.assert_no_bytes(&mut server);
    setup.proxy.restore();
    let mut received = String::new();
    server.read_to_string(&mut received).unwrap();
    assert_eq!(received, "last words");
}

#[test]
fn connection_made_while_holding_reaches_the_target_after_restore() {
    let mut setup = Setup::new();
    setup.proxy.hold();
    let mut client = setup.dial();
    client.write_all(b"early").unwrap();
    setup.wait_for_live(1);
    setup.assert_no_bytes(&mut client);
    assert!(!setup.target_was_dialled());

    // The probes reach the target as well, but end without a byte.
    setup.probes.clear();
    setup.proxy.restore();
    let mut received = [0; 5];
    while setup.accept().read_exact(&mut received).is_err() {}
    assert_eq!(&received, b"early");
}

#[test]
fn hold_can_be_followed_by_a_cut() {
    let setup = Setup::new();
    let (mut client, mut server) = setup.connect();
    setup.proxy.hold();
    client.write_all(b"lost").unwrap();
    setup.proxy.cut();
    assert_ended(&mut server);
    assert_ended(&mut client);
}

#[test]
fn black_hole_discards_any_number_of_bytes() {
    let mut setup = Setup::new();
    let (mut client, mut server) = setup.connect();
    setup.proxy.black_hole();
    assert_eq!(setup.proxy.mode(), ProxyMode::BlackHole);
    // Far more than the socket buffers hold, so the proxy has to read it.
    client.write_all(&vec![1; 20_000_000]).unwrap();
    server.write_all(&vec![2; 20_000_000]).unwrap();
    setup.assert_no_bytes(&mut client);
    setup.assert_no_bytes(&mut server);
    assert_eq!(setup.live_connections(), 1);

    setup.proxy.restore();
    assert_ended(&mut client);
    assert_ended(&mut server);
    setup.wait_for_live(0);
    setup.connect();
}

#[test]
fn black_hole_discards_the_end_of_a_connection() {
    let mut setup = Setup::new();
    let (client, mut server) = setup.connect();
    setup.proxy.black_hole();
    drop(client);
    setup.assert_no_bytes(&mut server);
    assert_eq!(setup.live_connections(), 1);
    setup.proxy.restore();
    assert_ended(&mut server);
}

#[test]
fn black_hole_discards_bytes_of_new_connections() {
    let mut setup = Setup::new();
    setup.proxy.black_hole();
    let mut client = setup.dial();
    client.write_all(&vec![1; 20_000_000]).unwrap();
    setup.assert_no_bytes(&mut client);
    assert!(!setup.target_was_dialled());

    // Holding cannot restore the stream either.
    setup.proxy.hold();
    assert_ended(&mut client);
    setup.wait_for_live(0);
}

#[test]
fn client_is_disconnected_if_the_target_does_not_listen() {
    let setup = Setup::new();
    drop(setup.target);
    let mut client = TcpStream::connect(setup.proxy.addr()).unwrap();
    client.set_read_timeout(Some(TIMEOUT)).unwrap();
    assert_ended(&mut client);
}

#[test]
fn dropping_the_proxy_closes_everything() {
    let setup = Setup::new();
    let (mut client, mut server) = setup.connect();
    let addr = setup.proxy.addr();
    setup.proxy.hold();
    let mut held = setup.dial();
    setup.wait_for_live(2);
    drop(setup.proxy);
    assert_ended(&mut client);
    assert_ended(&mut server);
    assert_ended(&mut held);
    assert!(TcpStream::connect(addr).is_err());
}
