import ArgumentParser
import Operations
import Topology

/// `geodirector admin health ADDRESS`
struct AdminHealth: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "health",
    abstract: "Ask a node's monitor once: exit 0 when it serves its own users, 1 when not.",
    discussion: """
      With --tls the monitor's certificate must be good: signed by an authority that is trusted, and for the name that is expected.

      Examples:
        geodirector admin health 127.1.1.1:8081
        geodirector admin health 10.0.0.11:8081 --tls --name SD1 --ca /etc/geodirector/ca.pem
      """)
  @Argument(help: "The monitor's address.") var address: String
  @Option(help: "How long it may take.") var timeout = "1s"
  @Flag(help: "The monitor has TLS.") var tls = false
  @Option(help: "PEM file of the authorities trusted. Default: the system's.") var ca: String?
  @Option(help: "The name expected in its certificate, and told to it. Default: the host of the address.")
  var name: String?
  @Option(help: "PEM file of the certificate to show, where the monitor requires one.") var certificate: String?
  @Option(help: "PEM file of its private key. Default: in the certificate's file, or beside it.") var key: String?
  @Flag(help: "Believe whoever answers: for trials.") var noVerify = false

  func run() async throws {
    try await DeployFailure.reported {
      let parsed: (Address, Duration)
      do throws(TextError) {
        parsed = (try Address(parsing: address), try Duration(parsing: timeout))
      } catch {
        throw DeployFailure.usage(error.message)
      }
      let plan = try tlsPlan(parsed.0)
      let milliseconds = Int32(min(60_000, max(1, parsed.1.inMilliseconds)))
      switch MonitorProbe.ask(parsed.0, tls: plan, within: milliseconds) {
      case .well: break
      case .notWell(let why): throw DeployFailure.runtime("\(address): \(why)")
      }
    }
  }

  /// How TLS is spoken; nil: not at all.
  private func tlsPlan(_ address: Address) throws -> ServerTLSPlan? {
    guard tls else {
      let given = [("--ca", ca), ("--name", name), ("--certificate", certificate), ("--key", key)]
      if let (option, _) = given.first(where: { $0.1 != nil }) ?? (noVerify ? ("--no-verify", nil) : nil) {
        throw DeployFailure.usage("\(option) has no effect without TLS; add --tls")
      }
      return nil
    }
    if key != nil, certificate == nil { throw DeployFailure.usage("--key has no certificate; add --certificate") }
    if noVerify, ca != nil { throw DeployFailure.usage("--ca has no effect with --no-verify; leave one out") }
    var plan = ServerTLSPlan(name: try name ?? expectedName(address))
    plan.authorityPath = ca
    plan.verifies = !noVerify
    plan.certificate = certificate.map { CertificatePlan(path: $0, keyPath: key) }
    return plan
  }

  private func expectedName(_ address: Address) throws -> String {
    switch address {
    case .host(let host, _): host
    case .ipv4: address.hostText
    case .ipv6: String(address.hostText.filter { $0 != "[" && $0 != "]" })
    case .unix: throw DeployFailure.usage("a Unix socket has no name; say which one its certificate has: --name NAME")
    }
  }
}
