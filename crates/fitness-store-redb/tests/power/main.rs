//! What the system does to a store while it is open: disks that fill up, calls that fail, power that
//! goes. The store is put on a disk of memory that does all of that.

mod cuts;
mod disk;
mod failures;
mod power_loss;
mod workload;
