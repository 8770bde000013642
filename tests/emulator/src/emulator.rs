//! Starting and stopping.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::authserver;
use crate::cloud::Cloud;
use crate::control::Control;
use crate::http;
use crate::sts::outbound;
use crate::world::World;

/// A running emulator. It stops when dropped.
pub struct Emulator {
    cloud: Arc<Cloud>,
    server: JoinHandle<()>,
}

impl Emulator {
    /// Listens and serves in the background. Port 0 takes any free port.
    ///
    /// # Errors
    ///
    /// An address that is not loopback, a world with mistakes, or a port that cannot be had.
    pub async fn start(world: World, listen: SocketAddr) -> io::Result<Emulator> {
        if !listen.ip().is_loopback() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "the emulator listens on loopback only"));
        }
        world.check().map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        let listener = TcpListener::bind(listen).await?;
        let url = format!("http://{}", listener.local_addr()?);
        let cloud = tokio::task::spawn_blocking(move || Cloud::new(world, url)).await.map_err(io::Error::other)?;
        let cloud = Arc::new(cloud);
        let server = tokio::spawn(http::serve(listener, Arc::clone(&cloud), http::all(&cloud)));
        Ok(Emulator { cloud, server })
    }

    /// `http://127.0.0.1:PORT`, without a trailing slash.
    #[must_use]
    pub fn url(&self) -> String {
        self.cloud.url.clone()
    }

    /// The issuer of an authorization server of the world, `http://127.0.0.1:PORT/as/NAME`.
    #[must_use]
    pub fn authorization_server(&self, name: &str) -> String {
        authserver::issuer(&self.cloud, name)
    }

    /// The issuer of what `GetWebIdentityToken` answers, `https://UUID.tokens.sts.global.api.aws`. The emulator
    /// serves its documents under `/outbound/.well-known/`.
    #[must_use]
    pub fn outbound_issuer(&self) -> String {
        outbound::issuer(&self.cloud.world)
    }

    /// The handle tests steer with.
    #[must_use]
    pub fn control(&self) -> Control {
        Control::of(&self.cloud)
    }

    /// Closes the listener and every connection, and waits until they are closed.
    pub async fn shutdown(mut self) {
        self.server.abort();
        // The task was aborted, so the only result is that cancellation.
        let _ = (&mut self.server).await;
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        self.server.abort();
    }
}
