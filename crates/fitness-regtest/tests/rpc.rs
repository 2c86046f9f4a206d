//! The RPC server, over sockets and with a client that shares no code with it.
#![allow(clippy::unwrap_used, reason = "a failed step of a test is a failed test")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use bitcoin::base64::prelude::{BASE64_STANDARD, Engine};
use bitcoin::consensus::encode;
use bitcoin::hashes::Hash;
use bitcoin::{Amount, Block, OutPoint, ScriptBuf, Transaction, TxOut, Txid};
use fitness_regtest::Chain;
use serde_json::{Value, json};

/// Long enough for any machine; no passing test waits for it.
const PLENTY: Duration = Duration::from_secs(30);

/// One connection, and as little of HTTP as it takes.
struct Client {
    stream: BufReader<TcpStream>,
    credentials: String,
}

impl Client {
    fn new(chain: &Chain) -> Self {
        let stream = TcpStream::connect((chain.rpc_host(), chain.rpc_port())).unwrap();
        stream.set_read_timeout(Some(PLENTY)).unwrap();
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

    /// Reads one reply: its status, its headers in lower case and its body.
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

    fn code(&mut self, method: &str, params: &Value) -> i64 {
        self.call(method, params).unwrap_err().0
    }
}

fn start() -> (Chain, Client) {
    let chain = Chain::start().unwrap();
    let client = Client::new(&chain);
    (chain, client)
}

/// Spends output 0 of a transaction, with a witness.
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
fn the_chain_is_read_block_by_block_over_one_connection() {
    let (chain, mut client) = start();
    let txid = chain.fund(ScriptBuf::new(), Amount::from_sat(70_000));
    chain.mine(1);
    chain.broadcast(spend(txid, 60_000)).unwrap();
    chain.mine(1);

    let info = client.call("getblockchaininfo", &json!([])).unwrap();
    assert_eq!(info["blocks"], 2);
    assert_eq!(info["chain"], "regtest");

    let mut hash = info["bestblockhash"].clone();
    let mut later: Option<Block> = None;
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
        if let Some(later) = &later {
            assert_eq!(later.header.prev_blockhash, block.block_hash());
        }

        assert_eq!(header["height"], height);
        assert_eq!(header["version"], block.header.version.to_consensus());
        assert_eq!(header["merkleroot"], block.header.merkle_root.to_string());
        assert_eq!(header["time"], block.header.time);
        assert_eq!(header["nonce"], block.header.nonce);
        assert_eq!(header["bits"], "207fffff");
        // Each regtest block is worth two hashes.
        let chainwork = format!("{:064x}", 2 * (height + 1));
        assert_eq!(header["chainwork"], chainwork);

        hash = header["previousblockhash"].clone();
        later = Some(block);
    }
    assert!(hash.is_null(), "the genesis block has nothing before it");
}

#[test]
fn a_transaction_is_followed_from_broadcast_to_block() {
    let (chain, mut client) = start();
    let funding = chain.fund(ScriptBuf::new(), Amount::from_sat(70_000));
    chain.mine(3);
    let tx = spend(funding, 60_000);
    let hex = encode::serialize_hex(&tx);
    let txid = tx.compute_txid();
    let name = txid.to_string();
    assert_eq!(client.code("getmempoolentry", &json!([name])), -5);
    assert_eq!(client.code("getrawtransaction", &json!([name])), -5);

    let waiter = chain.clone();
    let waiting = std::thread::spawn(move || waiter.wait_for_tx(txid, PLENTY).unwrap());
    let sent = client.call("sendrawtransaction", &json!([hex])).unwrap();
    assert_eq!(sent, name);
    assert_eq!(waiting.join().unwrap(), tx);

    let again = client.call("sendrawtransaction", &json!([hex])).unwrap();
    assert_eq!(again, name);
    let mempool = client.call("getrawmempool", &json!([false])).unwrap();
    assert_eq!(mempool, json!([name]));
    let entry = client.call("getmempoolentry", &json!([name])).unwrap();
    assert_eq!(entry["height"], 3);
    assert!(entry["time"].as_u64().unwrap() > 1_600_000_000);
    let raw = client.call("getrawtransaction", &json!([name])).unwrap();
    assert_eq!(raw, hex);

    chain.mine(1);
    let mempool = client.call("getrawmempool", &json!([])).unwrap();
    assert_eq!(mempool, json!([]));
    assert_eq!(client.code("getmempoolentry", &json!([name])), -5);
    let raw = client.call("getrawtransaction", &json!([name])).unwrap();
    assert_eq!(raw, hex);
    assert_eq!(client.code("sendrawtransaction", &json!([hex])), -27);
}

#[test]
fn rejected_transactions_come_back_with_the_codes_of_bitcoind() {
    let (chain, mut client) = start();
    let funding = chain.fund(ScriptBuf::new(), Amount::from_sat(70_000));
    let send = |client: &mut Client, tx: &Transaction| {
        client.call("sendrawtransaction", &json!([encode::serialize_hex(tx)]))
    };
    send(&mut client, &spend(funding, 60_000)).unwrap();

    let cheaper = send(&mut client, &spend(funding, 60_001)).unwrap_err();
    assert_eq!(cheaper.0, -26);
    assert!(cheaper.1.contains("insufficient fee"));
    let dearer = send(&mut client, &spend(funding, 50_000)).unwrap();
    assert_eq!(chain.mempool().len(), 2);
    assert_eq!(dearer, chain.mempool()[1].to_string());

    chain.mine(1);
    let spent = send(&mut client, &spend(funding, 1)).unwrap_err();
    assert_eq!(spent.0, -25);
    assert!(spent.1.contains("missingorspent"));
}

#[test]
fn fees_are_estimated() {
    let (_chain, mut client) = start();
    let info = client.call("getmempoolinfo", &json!([])).unwrap();
    let least = info["mempoolminfee"].as_f64().unwrap();
    let estimate = client.call("estimatesmartfee", &json!([6, "ECONOMICAL"]));
    let estimate = estimate.unwrap();
    assert!(estimate["errors"].is_null());
    assert!(estimate["feerate"].as_f64().unwrap() >= least);
}

#[test]
fn an_output_is_looked_up_until_it_is_spent() {
    let (chain, mut client) = start();
    let txid = chain.fund(ScriptBuf::new(), Amount::from_sat(70_000));
    let confirmed = json!([txid.to_string(), 0, false]);
    let any = json!([txid.to_string(), 0]);
    assert!(client.call("gettxout", &confirmed).unwrap().is_null());
    assert!(client.call("gettxout", &any).unwrap().is_object());
    chain.mine(1);
    let output = client.call("gettxout", &confirmed).unwrap();
    assert_eq!(output["value"], 0.0007);

    chain.broadcast(spend(txid, 1)).unwrap();
    assert!(client.call("gettxout", &any).unwrap().is_null());
    chain.mine(1);
    assert!(client.call("gettxout", &confirmed).unwrap().is_null());
}

#[test]
fn what_is_unknown_or_malformed_gets_an_error_and_the_connection_lives() {
    let (_chain, mut client) = start();
    let nowhere = Txid::all_zeros().to_string();
    for (method, params, code) in [
        ("stop", json!([]), -32601),
        ("getblockhash", json!([1]), -8),
        ("getblockhash", json!([]), -32602),
        ("getblockhash", json!([-1]), -32602),
        ("getblockhash", json!([1u64 << 40]), -32602),
        ("getblockhash", json!(["1"]), -32602),
        ("getblockheader", json!([nowhere]), -5),
        ("getblockheader", json!([nowhere, false]), -32602),
        ("getblockheader", json!(["xyz"]), -32602),
        ("getblock", json!([nowhere, 0]), -5),
        ("getblock", json!([nowhere]), -32602),
        ("getblock", json!([nowhere, 2]), -32602),
        ("getrawmempool", json!([true]), -32602),
        ("getmempoolentry", json!([7]), -32602),
        ("getrawtransaction", json!([nowhere, 1]), -32602),
        ("gettxout", json!([nowhere]), -32602),
        ("sendrawtransaction", json!([]), -32602),
        ("sendrawtransaction", json!(["00"]), -22),
        ("sendrawtransaction", json!(["zz"]), -22),
        ("estimatesmartfee", json!([]), -32602),
        ("getblockhash", json!({"height": 0}), -32602),
    ] {
        assert_eq!(client.code(method, &params), code, "{method} {params}");
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
fn wrong_credentials_are_turned_away() {
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

    let mut bare = TcpStream::connect((chain.rpc_host(), chain.rpc_port())).unwrap();
    bare.write_all(b"POST / HTTP/1.0\r\nContent-Length: 0\r\n\r\n").unwrap();
    let mut reply = String::new();
    bare.read_to_string(&mut reply).unwrap();
    assert!(reply.contains(" 401 "), "{reply}");
}

#[test]
fn other_paths_and_verbs_are_not_served() {
    let (_chain, mut client) = start();
    client.send("GET /", "");
    assert_eq!(client.receive().0, 405);
    client.send("POST /rest/chaininfo.json", "{}");
    assert_eq!(client.receive().0, 404);
    assert!(client.call("getblockchaininfo", &json!([])).is_ok());
}

#[test]
fn several_connections_are_served_at_once() {
    let (chain, mut one) = start();
    let mut two = Client::new(&chain);
    // The first has a request half sent while the second is served.
    one.stream.get_mut().write_all(b"POST / HTTP/1.1\r\nHost: l\r\n").unwrap();
    assert!(two.call("getblockchaininfo", &json!([])).is_ok());
    one.stream.get_mut().write_all(b"Content-Length: 0\r\n\r\n").unwrap();
    assert_eq!(one.receive().0, 401);
}

#[test]
fn the_last_handle_takes_the_server_with_it() {
    let (chain, mut client) = start();
    let address = (chain.rpc_host(), chain.rpc_port());
    let clone = chain.clone();
    drop(chain);
    assert!(client.call("getblockchaininfo", &json!([])).is_ok());
    drop(clone);
    assert_eq!(client.stream.read(&mut [0]).unwrap(), 0);
    assert!(TcpStream::connect(address).is_err());
}
