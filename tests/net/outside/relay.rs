//! Programs that are run as a neighbour, beside the same programs in the namespace of a real one.

mod datagrams;
mod ends;
mod reach;
mod rules;
mod transfers;

use crate::host::Host;
use crate::run::{Prepared, Run};
use crate::sockets::tcp;
use crate::world::{World, alone};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Command, Output};

/// What the web server has.
pub(super) fn page(length: usize) -> Vec<u8> {
    // Each part is another one, so that none can take the place of another.
    (0_u32..).flat_map(|number| (number ^ 0x9e37_79b9).to_be_bytes()).take(length).collect()
}

/// A web server at this port: it gives pages of so many bytes (`GET /1000`), takes what is put, and tells what it got
/// (`PUT /`), as the length and the sum of the bytes.
pub(super) fn serves_web(world: World, address: &str) -> World {
    world.speaks(tcp(address).dual(), |stream| drop(answer(stream)))
}

fn answer(mut stream: TcpStream) -> std::io::Result<()> {
    let mut request = Vec::new();
    let mut byte = [0];
    while !request.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte)?;
        request.extend(byte);
    }
    let request = String::from_utf8_lossy(&request).to_lowercase();
    let body = if let Some(page) = request.strip_prefix("get /") {
        self::page(page.split(' ').next().and_then(|length| length.parse().ok()).unwrap_or(0))
    } else {
        let length = request.split("content-length: ").nth(1).and_then(|rest| rest.lines().next());
        let length: u64 = length.and_then(|length| length.parse().ok()).unwrap_or(0);
        if request.contains("expect: 100-continue") {
            stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        let mut body = Vec::new();
        (&stream).take(length).read_to_end(&mut body)?;
        told(&body).into_bytes()
    };
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    )?;
    stream.write_all(&body)
}

/// What the web server tells of what was put.
pub(super) fn told(body: &[u8]) -> String {
    let sum = body
        .iter()
        .zip(1_u64..)
        .fold(0, |sum: u64, (byte, at)| sum.wrapping_mul(31).wrapping_add(u64::from(*byte) ^ at));
    format!("{} {sum:x}", body.len())
}

/// `outside` with these options, and a command.
pub(super) fn outside(world: &World, options: &str, command: &[&str]) -> Prepared {
    let prepared = world.prepare(&format!("outside {options} --"));
    command.iter().fold(prepared, Prepared::arg)
}

/// The same as a shell's script.
pub(super) fn outside_shell(world: &World, script: &str) -> Prepared {
    outside(world, "", &["sh", "-c", script])
}

/// A command in the namespace of a real neighbour.
pub(super) fn really(there: &Host, command: &[&str]) -> Output {
    let command: Vec<String> = command.iter().map(|word| (*word).to_owned()).collect();
    there.does(move || {
        let mut really = Command::new(&command[0]);
        let child = alone(|| really.args(&command[1..]).output());
        child.unwrap_or_else(|error| panic!("did not run: {command:?}: {error}"))
    })
}

/// Asserts that a run had the status and the words of a real neighbour's, but for the time that it took.
#[track_caller]
pub(super) fn assert_as_really(run: &Run, real: &Output) {
    let plain = |text: &str| -> String {
        text.split(' ').filter(|word| word.parse::<u32>().is_err()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(Some(run.status), real.status.code(), "{run:#?}, really {real:?}");
    assert_eq!(plain(&run.stderr), plain(&String::from_utf8_lossy(&real.stderr)), "{run:#?}");
    assert_eq!(run.stdout, String::from_utf8_lossy(&real.stdout), "{run:#?}");
}
