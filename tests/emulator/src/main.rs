//! `credbroker-emulator --world FILE [--listen 127.0.0.1:0]`

use std::io::Write as _;
use std::net::SocketAddr;
use std::process::ExitCode;

use credbroker_emulator::{Emulator, World};
use tokio::signal::unix::{SignalKind, signal};

const USAGE: &str = "usage: credbroker-emulator --world FILE [--listen 127.0.0.1:0]";

struct Arguments {
    world: String,
    listen: SocketAddr,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = match arguments(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(mistake) => return ended(&format!("{mistake}\n{USAGE}"), 2),
    };
    match run(arguments).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(mistake) => ended(&mistake, 1),
    }
}

fn ended(why: &str, code: u8) -> ExitCode {
    eprintln!("credbroker-emulator: {why}");
    ExitCode::from(code)
}

fn arguments(mut given: impl Iterator<Item = String>) -> Result<Arguments, String> {
    let (mut world, mut listen) = (None, "127.0.0.1:0".to_owned());
    while let Some(flag) = given.next() {
        let mut value = || given.next().ok_or_else(|| format!("{flag} needs a value"));
        match flag.as_str() {
            "--world" => world = Some(value()?),
            "--listen" => listen = value()?,
            _ => return Err(format!("unknown argument {flag}")),
        }
    }
    let world = world.ok_or("--world is missing")?;
    let listen = listen.parse().map_err(|_| "--listen takes an address and a port")?;
    Ok(Arguments { world, listen })
}

async fn run(arguments: Arguments) -> Result<(), String> {
    let file = &arguments.world;
    let text = std::fs::read_to_string(file).map_err(|e| format!("cannot read {file}: {e}"))?;
    let world = World::from_toml(&text).map_err(|e| format!("{file}: {e}"))?;
    let mut terminate = signal(SignalKind::terminate()).map_err(|e| e.to_string())?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(|e| e.to_string())?;
    let emulator = Emulator::start(world, arguments.listen).await.map_err(|e| format!("cannot start: {e}"))?;
    let announced = writeln!(std::io::stdout(), "emulator listening on {}", emulator.url());
    announced.map_err(|e| format!("cannot write to standard output: {e}"))?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    emulator.shutdown().await;
    Ok(())
}
