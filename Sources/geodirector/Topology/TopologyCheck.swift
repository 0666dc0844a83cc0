import ArgumentParser
import Foundation
import TLS
import Topology
import TopologyFile

/// `geodirector topology check FILE`
struct TopologyCheck: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "check",
    abstract: "Check a topology file: finds every error in one run.",
    discussion: """
      Findings go to standard error as file:line:column: error or warning: what; mend.
      Exit status: 0 no error, 1 warnings with --strict, 64 wrong usage, 78 errors.

      Example:
        geodirector topology check topologies/two-sites.yaml
      """)

  @OptionGroup var topology: TopologyFileArgument
  @Flag(help: "Warnings count as failure (exit status 1).") var strict = false

  func run() throws {
    let path = try topology.path()
    let (topology, diagnostics) = TopologyLoader.load(path)
    TopologyFiles.print(diagnostics)
    let errors = diagnostics.count { $0.severity == .error }
    var warnings = diagnostics.count - errors
    guard let topology else {
      print("\(path): \(count(errors, "error")), \(count(warnings, "warning"))")
      throw ExitCode.configuration
    }
    warnings += warnOfDates(topology)
    let directors = topology.nodes.count { $0.role == .siteDirector }
    let balancers = topology.nodes.count { $0.role == .siteBalancer }
    print(
      "\(path): network \(topology.name): \(count(topology.sites.count, "site")), \(count(topology.offices.count, "office")), "
        + "\(count(directors, "director")), \(count(balancers, "balancer")), \(count(topology.servers.count, "server"))"
        + (topology.relays.isEmpty ? "; " : ", \(count(topology.relays.count, "relay")); ")
        + (warnings == 0 ? "no findings" : count(warnings, "warning")))
    if strict, warnings > 0 { throw ExitCode(1) }
  }

  /// Certificates that are here to be read, and are not good, or not for long: how many.
  private func warnOfDates(_ topology: Topology) -> Int {
    var plans: [CertificatePlan] = []
    func add(_ found: [CertificatePlan]) { for plan in found where !plans.contains(plan) { plans.append(plan) } }
    for node in topology.nodes {
      guard let plan = try? topology.plan(for: node.name) else { continue }
      for tls in plan.listeners.map(\.tls) + [plan.monitorTLS] { add(tls?.certificates ?? []) }
      for server in plan.applications.flatMap(\.pool.servers) {
        add([server.tls, server.liveness?.tls, server.admission?.tls].compactMap { $0?.certificate })
      }
    }
    let warnings = CertificateValidity.warnings(plans, now: Int64(time(nil)))
    for warning in warnings { FileHandle.standardError.write(Data("warning: \(warning)\n".utf8)) }
    return warnings.count
  }

  private func count(_ number: Int, _ noun: String) -> String { "\(number) \(noun)\(number == 1 ? "" : "s")" }
}
