//! The RPC server, called over a socket by a client that shares no code with it.
#![allow(clippy::unwrap_used, reason = "a failed step fails the test")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use bitcoin::base64::prelude::{BASE64_STANDARD, Engine};
use bitcoin::consensus::encode;
use bitcoin::hashes::Hash;
use bitcoin::{Amount, Block, OutPoint, ScriptBuf, Transaction, TxOut, Txid};
use fitness_regtest::Chain;
use serde_json::{Value, json};

/// Long enough for any machine. No passing test waits this long.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A minimal HTTP client with one connection.
struct Client {
    stream: BufReader<TcpStream>,
    credentials: String,
}

impl Client {
    fn new(chain: &Chain) -> Self {
        let stream = TcpStream::connect((chain.rpc_host(), chain.rpc_port())).unwrap();
        stream.set_read_timeout(Some(TIMEOUT)).unwrap();
        Self {
            stream: BufReader::new(stream),
            credentials: format!("{}:{}", chain.rpc_user(), chain.rpc_password()),
        }
    }

    fn send(&mut self, head: &str, body: &str) {
        let credentials = BASE64_STANDARD.encode(&self.credentials);
        let length = body.len();
        let request = format!(
            "{head} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic {credentials}\r\n\
             Content-Length: {length}\r\n\r\n{body}"
        );
        self.stream.get_mut().write_all(request.as_bytes()).unwrap();
    }

    /// Reads one reply. Returns its status, its head in lower case and its body.
    fn receive(&mut self) -> (u16, String, Vec<u8>) {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert_ne!(self.stream.read_line(&mut head).unwrap(), 0, "{head}");
        }
        let head = head.to_ascii_lowercase();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "))
            .map_or(0, |length| length.parse().unwrap());
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).unwrap();
        (status, head, body)
    }

    fn post(&mut self, body: &str) -> Value {
        self.send("POST /", body);
        let (status, head, body) = self.receive();
        assert_eq!(status, 200);
        assert!(head.contains("content-type: application/json"));
        serde_json::from_slice(&body).unwrap()
    }

    fn call(&mut self, method: &str, params: &Value) -> Result<Value, (i64, String)> {
        let request = json!({"jsonrpc": "1.0", "id": "7", "method": method, "params": params});
        let reply = self.post(&request.to_string());
        assert_eq!(reply["id"], "7");
        if reply["error"].is_null() {
            Ok(reply["result"].clone())
        } else {
            assert!(reply["result"].is_null());
            let message = reply["error"]["message"].as_str().unwrap();
            Err((reply["error"]["code"].as_i64().unwrap(), message.to_owned()))
        }
    }

    fn error_code(&mut self, method: &str, params: &Value) -> i64 {
        self.call(method, params).unwrap_err().0
    }
}

fn start() -> (Chain, Client) {
    let chain = Chain::start().unwrap();
    let client = Client::new(&chain);
    (chain, client)
}

/// Returns a transaction that spends output 0 of `txid`, with a witness.
fn spend(txid: Txid, value: u64) -> Transaction {
    Transaction {
        version: bitcoin::transaction::Version::TWO,
        lock_time: bitcoin::absolute::LockTime::ZERO,
        input: vec![bitcoin::TxIn {
            previous_output: OutPoint::new(txid, 0),
            witness: bitcoin::Witness::from_slice(&[b"signature"]),
            ..Default::default()
        }],
        output: vec![TxOut { value: Amount::from_sat(value), script_pubkey: ScriptBuf::new() }],
    }
}

#[test]
fn blocks_are_served_from_the_tip_to_genesis() {
    let (chain, mut client) = start();
    let txid = chain.fund(ScriptBuf::new(), Amount::from_sat(70_000));
    chain.mine(1);
    chain.broadcast(spend(txid, 60_000)).unwrap();
    chain.mine(1);

    let info = client.call("getblockchaininfo", &json!([])).unwrap();
    assert_eq!(info["blocks"], 2);
    assert_eq!(info["chain"], "regtest");

    let mut hash = info["bestblockhash"].clone();
    let mut next: Option<Block> = None;
    for height in (0..=2).rev() {
        let by_height = client.call("getblockhash", &json!([height])).unwrap();
        assert_eq!(by_height, hash);
        let header = client.call("getblockheader", &json!([hash])).unwrap();
        let hex = client.call("getblock", &json!([hash, 0])).unwrap();
        let block: Block = encode::deserialize_hex(hex.as_str().unwrap()).unwrap();

        assert!(block.check_merkle_root());
        assert!(block.check_witness_commitment());
        block.header.validate_pow(block.header.target()).unwrap();
        assert_eq!(json!(block.block_hash().to_string()), hash);
        if let Some(next) = &next {
            assert_eq!(next.header.prev_blockhash, block.block_hash());
        }

        assert_eq!(header["height"], height);
        assert_eq!(header["version"], block.header.version.to_consensus());
        assert_eq!(header["merkleroot"], block.header.merkle_root.to_string());
        assert_eq!(header["time"], block.header.time);
        assert_eq!(header["nonce"], block.header.nonce);
        assert_eq!(header["bits"], "207fffff");
        // The work of a regtest block is two hashes.
        let chainwork = format!("{:064x}", 2 * (height + 1));
        assert_eq!(header["chainwork"], chainwork);

        hash = header["previousblockhash"].clone();
        next = Some(block);
    }
    assert!(hash.is_null(), "the genesis block has no previous block");
}

#[test]
fn transaction_is_served_from_broadcast_to_block() {
    let (chain, mut client) = start();
    let funding = chain.fund(ScriptBuf::new(), Amount::from_sat(70_000));
    chain.mine(3);
    let tx = spend(funding, 60_000);
    let hex = encode::serialize_hex(&tx);
    let txid = tx.compute_txid();
    let txid_hex = txid.to_string();
    assert_eq!(client.error_code("getmempoolentry", &json!([txid_hex])), -5);
    assert_eq!(client.error_code("getrawtransaction", &json!([txid_hex])), -5);

    let waiter = chain.clone();
    let waiting = std::thread::spawn(move || waiter.wait_for_tx(txid, TIMEOUT).unwrap());
    let sent = client.call("sendrawtransaction", &json!([hex])).unwrap();
    assert_eq!(sent, txid_hex);
    assert_eq!(waiting.join().unwrap(), tx);

    let again = client.call("sendrawtransaction", &json!([hex])).unwrap();
    assert_eq!(again, txid_hex);
    let mempool = client.call("getrawmempool", &json!([false])).unwrap();
    assert_eq!(mempool, json!([txid_hex]));
    let entry = client.call("getmempoolentry", &json!([txid_hex])).unwrap();
    assert_eq!(entry["height"], 3);
    assert!(entry["time"].as_u64().unwrap() > 1_600_000_000);
    let raw = client.call("getrawtransaction", &json!([txid_hex])).unwrap();
    assert_eq!(raw, hex);

    chain.mine(1);
    let mempool = client.call("getrawmempool", &json!([])).unwrap();
    assert_eq!(mempool, json!([]));
    assert_eq!(client.error_code("getmempoolentry", &json!([txid_hex])), -5);
    let raw = client.call("getrawtransaction", &json!([txid_hex])).unwrap();
    assert_eq!(raw, hex);
    assert_eq!(client.error_code("sendrawtransaction", &json!([hex])), -27);
}

#[test]
fn rejected_transactions_return_the_error_codes_of_bitcoind() {
    let (chain, mut client) = start();
    let funding = chain.fund(ScriptBuf::new(), Amount::from_sat(70_000));
    let send = |client: &mut Client, tx: &Transaction| {
        client.call("sendrawtransaction", &json!([encode::serialize_hex(tx)]))
    };
    send(&mut client, &spend(funding, 60_000)).unwrap();

    let lower_fee = send(&mut client, &spend(funding, 60_001)).unwrap_err();
    assert_eq!(lower_fee.0, -26);
    assert!(lower_fee.1.contains("insufficient fee"));
    let higher_fee = send(&mut client, &spend(funding, 50_000)).unwrap();
    assert_eq!(chain.mempool().len(), 2);
    assert_eq!(higher_fee, chain.mempool()[1].to_string());

    chain.mine(1);
    let spent = send(&mut client, &spend(funding, 1)).unwrap_err();
    assert_eq!(spent.0, -25);
    assert!(spent.1.contains("missingorspent"));
}

#[test]
fn fee_estimate_is_above_the_minimum() {
    let (_chain, mut client) = start();
    let info = client.call("getmempoolinfo", &json!([])).unwrap();
    let minimum = info["mempoolminfee"].as_f64().unwrap();
    let estimate = client.call("estimatesmartfee", &json!([6, "ECONOMICAL"]));
    let estimate = estimate.unwrap();
    assert!(estimate["errors"].is_null());
    assert!(estimate["feerate"].as_f64().unwrap() >= minimum);
}

#[test]
fn output_is_served_until_it_is_spent() {
    let (chain, mut client) = start();
    let txid = chain.fund(ScriptBuf::new(), Amount::from_sat(70_000));
    let confirmed = json!([txid.to_string(), 0, false]);
    let with_mempool = json!([txid.to_string(), 0]);
    assert!(client.call("gettxout", &confirmed).unwrap().is_null());
    assert!(client.call("gettxout", &with_mempool).unwrap().is_object());
    chain.mine(1);
    let output = client.call("gettxout", &confirmed).unwrap();
    assert_eq!(output["value"], 0.0007);

    chain.broadcast(spend(txid, 1)).unwrap();
    assert!(client.call("gettxout", &with_mempool).unwrap().is_null());
    chain.mine(1);
    assert!(client.call("gettxout", &confirmed).unwrap().is_null());
}

#[test]
fn invalid_calls_return_errors_and_keep_the_connection() {
    let (_chain, mut client) = start();
    let unknown = Txid::all_zeros().to_string();
    for (method, params, code) in [
        ("stop", json!([]), -32601),
        ("getblockhash", json!([1]), -8),
        ("getblockhash", json!([]), -32602),
        ("getblockhash", json!([-1]), -32602),
        ("getblockhash", json!([1u64 << 40]), -32602),
        ("getblockhash", json!(["1"]), -32602),
        ("getblockheader", json!([unknown]), -5),
        ("getblockheader", json!([unknown, false]), -32602),
        ("getblockheader", json!(["xyz"]), -32602),
        ("getblock", json!([unknown, 0]), -5),
        ("getblock", json!([unknown]), -32602),
        ("getblock", json!([unknown, 2]), -32602),
        ("getrawmempool", json!([true]), -32602),
        ("getmempoolentry", json!([7]), -32602),
        ("getrawtransaction", json!([unknown, 1]), -32602),
        ("gettxout", json!([unknown]), -32602),
        ("sendrawtransaction", json!([]), -32602),
        ("sendrawtransaction", json!(["00"]), -22),
        ("sendrawtransaction", json!(["zz"]), -22),
        ("estimatesmartfee", json!([]), -32602),
        ("getblockhash", json!({"height": 0}), -32602),
    ] {
        assert_eq!(client.error_code(method, &params), code, "{method} {params}");
    }
    for (body, code) in [
        ("", -32700),
        ("{\"method\": \"getbl", -32700),
        ("[]", -32600),
        ("\"text\"", -32600),
        ("{\"id\": 1}", -32600),
        ("{\"method\": 5}", -32600),
    ] {
        let reply = client.post(body);
        assert_eq!(reply["error"]["code"], code, "{body}");
        assert!(reply["result"].is_null());
    }
    let reply = client.post(r#"{"method": "getblockchaininfo"}"#);
    assert_eq!(reply["result"]["blocks"], 0);
}

#[test]
fn wrong_credentials_are_rejected() {
    let (chain, mut client) = start();
    let right = client.credentials.clone();
    for wrong in ["", "fitness", "fitness:", &format!("{right}0"), &right[1..]] {
        wrong.clone_into(&mut client.credentials);
        client.send("POST /", r#"{"method": "getblockchaininfo"}"#);
        let (status, head, body) = client.receive();
        assert_eq!(status, 401);
        assert!(head.contains("www-authenticate: basic"));
        assert!(!body.is_empty());
    }
    client.credentials = right;
    assert!(client.call("getblockchaininfo", &json!([])).is_ok());

    let other = Chain::start().unwrap();
    client.credentials = format!("{}:{}", other.rpc_user(), other.rpc_password());
    client.send("POST /", "{}");
    assert_eq!(client.receive().0, 401);

    let mut unauthenticated = TcpStream::connect((chain.rpc_host(), chain.rpc_port())).unwrap();
    unauthenticated.write_all(b"POST / HTTP/1.0\r\nContent-Length: 0\r\n\r\n").unwrap();
    let mut reply = String::new();
    unauthenticated.read_to_string(&mut reply).unwrap();
    assert!(reply.contains(" 401 "), "{reply}");
}

#[test]
fn other_paths_and_methods_are_rejected() {
    let (_chain, mut client) = start();
    client.send("GET /", "");
    assert_eq!(client.receive().0, 405);
    client.send("POST /rest/chaininfo.json", "{}");
    assert_eq!(client.receive().0, 404);
    assert!(client.call("getblockchaininfo", &json!([])).is_ok());
}

#[test]
fn connections_are_served_concurrently() {
    let (chain, mut one) = start();
    let mut two = Client::new(&chain);
    // The first connection has sent half a request while the second is served.
    one.stream.get_mut().write_all(b"POST / HTTP/1.1\r\nHost: l\r\n").unwrap();
    assert!(two.call("getblockchaininfo", &json!([])).is_ok());
    one.stream.get_mut().write_all(b"Content-Length: 0\r\n\r\n").unwrap();
    assert_eq!(one.receive().0, 401);
}

#[test]
fn server_stops_when_the_last_handle_is_dropped() {
    let (chain, mut client) = start();
    let address = (chain.rpc_host(), chain.rpc_port());
    let clone = chain.clone();
    drop(chain);
    assert!(client.call("getblockchaininfo", &json!([])).is_ok());
    drop(clone);
    assert_eq!(client.stream.read(&mut [0]).unwrap(), 0);
    assert!(TcpStream::connect(address).is_err());
}
