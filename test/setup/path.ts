/**
 * Tests run Debian's programs, which `make setup-test` installs, and the Node that runs them. A manager of versions
 * puts scripts before them in PATH, each of which starts some ten processes: seconds in the virtual machine.
 */
import { dirname } from "node:path";

process.env["PATH"] = [dirname(process.execPath), "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"].join(":");
