//! Failures of the system while a store is open: full disks, failing calls and power losses, on a simulated
//! disk in memory.

mod crash_images;
mod faulty_disk;
mod io_errors;
mod power_loss;
mod workload;
