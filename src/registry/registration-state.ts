/**
 * - `pending`: not registered yet;
 * - `registered`: the entry exists;
 * - `suspect`: nothing has succeeded for a TTL, so the entry may be gone; only the registry knows;
 * - `lost`: the registry reported that the entry is gone, or another server took it; it is being registered again;
 * - `closed`.
 */
export type RegistrationState = "pending" | "registered" | "suspect" | "lost" | "closed";
