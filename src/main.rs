//! Arguments → command → exit code.

use std::alloc::System;
use std::process::ExitCode;

use zeroizing_alloc::ZeroAlloc;

/// Clears what is freed, which no type of ours can do for the buffers of hyper, rustls, serde and the AWS SDK.
#[global_allocator]
static CLEARING: ZeroAlloc<System> = ZeroAlloc(System);

fn main() -> ExitCode {
    credbroker::cli::main()
}
