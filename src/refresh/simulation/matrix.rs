//! The rows of the fault matrix that belong to the engine.
