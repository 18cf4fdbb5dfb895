# Everything but one file: what a container's profile is tested with (Labels.AppArmor... in tests/integration).
profile minirun-test flags=(attach_disconnected,mediate_deleted) {
  file,
  capability,
  network,
  mount,
  umount,
  signal,
  deny /denied rwklx,
}

# The name that the OCI's validation suite expects a machine to have.
profile acme_secure_profile flags=(attach_disconnected,mediate_deleted) {
  file,
  capability,
  network,
  mount,
  umount,
  signal,
}
