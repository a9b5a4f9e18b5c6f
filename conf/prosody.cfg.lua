-- For Prosody: the component that immpd attaches as. The secret is the one line of example.org.secret.
Component "immp.example.org"
	component_secret = "REPLACE-THIS-SECRET"

-- In the global section (both are Prosody's defaults but for the last):
-- component_ports = { 5347 }
-- component_interfaces = { "127.0.0.1" }

-- Ten times the throughput between domains: without these two, Prosody waits before it reads on.
-- network_settings = { nagle = false, min_wait = 0 }

-- The other server checks a certificate of the component's own name: let yours cover
-- immp.example.org (or *.example.org), as `prosodyctl check certs` will tell.
