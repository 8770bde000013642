//! What stands now and can be replaced as a whole while it is in use: whoever has begun with one ends with it.

use std::sync::{Arc, PoisonError, RwLock};

/// The value that stands. Cloning shares it.
#[derive(Debug)]
pub struct Current<T>(Arc<RwLock<Arc<T>>>);

impl<T> Current<T> {
    /// `value` stands.
    pub fn new(value: T) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(value))))
    }

    /// The one that stands. It is held by nobody but those who were given it when another one stands.
    pub fn get(&self) -> Arc<T> {
        // A pointer is whole whatever happened beside it.
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// From now on `value` stands; what stood before is returned.
    pub fn replace(&self, value: T) -> Arc<T> {
        let mut standing = self.0.write().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *standing, Arc::new(value))
    }
}

impl<T> Clone for Current<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: Default> Default for Current<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}
