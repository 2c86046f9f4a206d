//! The proxy between two plain sockets, in each of its modes.
#![allow(clippy::unwrap_used, reason = "a failed step of a test is a failed test")]

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::time::Duration;

use fitness_regtest::{Proxy, ProxyMode};

/// Long enough for any machine; no passing test waits for it.
const PLENTY: Duration = Duration::from_secs(30);

/// How long a test listens before it believes in silence.
const SILENCE: Duration = Duration::from_millis(50);

struct Setup {
    target: TcpListener,
    proxy: Proxy,
}

impl Setup {
    fn new() -> Self {
        let target = TcpListener::bind("127.0.0.1:0").unwrap();
        let proxy = Proxy::start(target.local_addr().unwrap()).unwrap();
        Self { target, proxy }
    }

    fn dial(&self) -> TcpStream {
        let client = TcpStream::connect(self.proxy.addr()).unwrap();
        client.set_read_timeout(Some(PLENTY)).unwrap();
        client.set_write_timeout(Some(PLENTY)).unwrap();
        client
    }

    fn accept(&self) -> TcpStream {
        let server = self.target.accept().unwrap().0;
        server.set_read_timeout(Some(PLENTY)).unwrap();
        server.set_write_timeout(Some(PLENTY)).unwrap();
        server
    }

    /// Both ends of a connection that works.
    fn connect(&self) -> (TcpStream, TcpStream) {
        let (mut client, mut server) = (self.dial(), self.accept());
        passes(&mut client, &mut server, b"there");
        passes(&mut server, &mut client, b"and back");
        (client, server)
    }

    /// Whether the target has been dialled since it last accepted.
    fn is_dialled(&self) -> bool {
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
}

fn passes(from: &mut TcpStream, to: &mut TcpStream, bytes: &[u8]) {
    from.write_all(bytes).unwrap();
    let mut arrived = vec![0; bytes.len()];
    to.read_exact(&mut arrived).unwrap();
    assert_eq!(arrived, bytes);
}

/// Asserts that the stream is over: at its end, or reset.
fn ended(stream: &mut TcpStream) {
    match stream.read(&mut [0]) {
        Ok(count) => assert_eq!(count, 0),
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
    }
}

/// Asserts that the stream is open and has nothing to say.
fn silent(stream: &mut TcpStream) {
    stream.set_read_timeout(Some(SILENCE)).unwrap();
    let error = stream.read(&mut [0]).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{error}");
    stream.set_read_timeout(Some(PLENTY)).unwrap();
}

#[test]
fn bytes_pass_both_ways_in_several_connections() {
    let setup = Setup::new();
    assert_eq!(setup.proxy.mode(), ProxyMode::Forwarding);
    assert_eq!(setup.proxy.target(), setup.target.local_addr().unwrap());
    assert_eq!(setup.proxy.live_connections(), 0);
    let (mut client, mut server) = setup.connect();
    let (mut other_client, mut other_server) = setup.connect();
    assert_eq!(setup.proxy.live_connections(), 2);
    passes(&mut client, &mut server, b"one");
    passes(&mut other_server, &mut other_client, b"two");
    drop(other_client);
    ended(&mut other_server);
    drop(other_server);
    setup.wait_for_live(1);
    passes(&mut server, &mut client, b"three");
}

#[test]
fn more_than_the_buffers_hold_passes_unharmed() {
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
    ended(&mut server);
}

#[test]
fn one_direction_may_end_before_the_other() {
    let setup = Setup::new();
    let (mut client, mut server) = setup.connect();
    client.shutdown(Shutdown::Write).unwrap();
    ended(&mut server);
    passes(&mut server, &mut client, b"late");
    assert_eq!(setup.proxy.live_connections(), 1);
    server.shutdown(Shutdown::Write).unwrap();
    ended(&mut client);
    setup.wait_for_live(0);
}

#[test]
fn a_cut_ends_both_sides_and_what_comes_after() {
    let setup = Setup::new();
    let (mut client, mut server) = setup.connect();
    setup.proxy.cut();
    assert_eq!(setup.proxy.mode(), ProxyMode::Cut);
    ended(&mut client);
    ended(&mut server);
    setup.wait_for_live(0);

    ended(&mut setup.dial());
    assert!(!setup.is_dialled());
    assert_eq!(setup.proxy.live_connections(), 0);

    setup.proxy.restore();
    setup.connect();
}

#[test]
fn a_cut_restored_at_once_is_still_a_cut() {
    let setup = Setup::new();
    let (mut client, mut server) = setup.connect();
    setup.proxy.cut();
    setup.proxy.restore();
    ended(&mut client);
    ended(&mut server);
    setup.connect();
}

#[test]
fn held_bytes_arrive_after_the_restoration() {
    let setup = Setup::new();
    let (mut client, mut server) = setup.connect();
    setup.proxy.hold();
    assert_eq!(setup.proxy.mode(), ProxyMode::Holding);
    client.write_all(b"question").unwrap();
    server.write_all(b"answer").unwrap();
    silent(&mut client);
    silent(&mut server);

    setup.proxy.restore();
    let mut question = [0; 8];
    server.read_exact(&mut question).unwrap();
    assert_eq!(&question, b"question");
    let mut answer = [0; 6];
    client.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"answer");
    passes(&mut client, &mut server, b"next");
}

#[test]
fn the_end_of_a_held_connection_arrives_after_its_bytes() {
    let setup = Setup::new();
    let (mut client, mut server) = setup.connect();
    setup.proxy.hold();
    client.write_all(b"farewell").unwrap();
    drop(client);
    silent(&mut server);
    setup.proxy.restore();
    let mut heard = String::new();
    server.read_to_string(&mut heard).unwrap();
    assert_eq!(heard, "farewell");
}

#[test]
fn a_connection_made_while_holding_reaches_the_target_later() {
    let setup = Setup::new();
    setup.proxy.hold();
    let mut client = setup.dial();
    client.write_all(b"early").unwrap();
    setup.wait_for_live(1);
    silent(&mut client);
    assert!(!setup.is_dialled());

    setup.proxy.restore();
    let mut heard = [0; 5];
    setup.accept().read_exact(&mut heard).unwrap();
    assert_eq!(&heard, b"early");
}

#[test]
fn a_hold_can_end_in_a_cut() {
    let setup = Setup::new();
    let (mut client, mut server) = setup.connect();
    setup.proxy.hold();
    client.write_all(b"lost").unwrap();
    setup.proxy.cut();
    ended(&mut server);
    ended(&mut client);
}

#[test]
fn a_black_hole_swallows_without_end() {
    let setup = Setup::new();
    let (mut client, mut server) = setup.connect();
    setup.proxy.black_hole();
    assert_eq!(setup.proxy.mode(), ProxyMode::BlackHole);
    // Far more than the buffers of all sockets: somebody has to take it.
    client.write_all(&vec![1; 20_000_000]).unwrap();
    server.write_all(&vec![2; 20_000_000]).unwrap();
    silent(&mut client);
    silent(&mut server);
    assert_eq!(setup.proxy.live_connections(), 1);

    setup.proxy.restore();
    ended(&mut client);
    ended(&mut server);
    setup.wait_for_live(0);
    setup.connect();
}

#[test]
fn a_black_hole_swallows_the_end_of_a_connection() {
    let setup = Setup::new();
    let (client, mut server) = setup.connect();
    setup.proxy.black_hole();
    drop(client);
    silent(&mut server);
    assert_eq!(setup.proxy.live_connections(), 1);
    setup.proxy.restore();
    ended(&mut server);
}

#[test]
fn a_black_hole_swallows_new_connections() {
    let setup = Setup::new();
    setup.proxy.black_hole();
    let mut client = setup.dial();
    client.write_all(&vec![1; 20_000_000]).unwrap();
    silent(&mut client);
    assert!(!setup.is_dialled());

    // Not even holding can mend it.
    setup.proxy.hold();
    ended(&mut client);
    setup.wait_for_live(0);
}

#[test]
fn a_client_without_a_target_is_let_go() {
    let setup = Setup::new();
    drop(setup.target);
    let mut client = TcpStream::connect(setup.proxy.addr()).unwrap();
    client.set_read_timeout(Some(PLENTY)).unwrap();
    ended(&mut client);
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
    ended(&mut client);
    ended(&mut server);
    ended(&mut held);
    assert!(TcpStream::connect(addr).is_err());
}
