# Sourced by cvmd-guest.sh: a guest of SEV-SNP, whose reports a signer makes of the library's record.
firmware=/usr/share/ovmf/OVMF.amdsev.fd
ports=(org.cvmd.agent.0 "$build/tests/testbed/testbed-signer" records/guest.json state/simulation-root.pem "$work/signer.sock")
tee=fd:9

record_host() { recorded_snp_host host "$cbitpos"; }
prepare_evidence() { :; }
check_platform() { :; }
