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
    let doubts = doubtsAboutFiles(topology)
    for doubt in doubts { FileHandle.standardError.write(Data("warning: \(doubt)\n".utf8)) }
    warnings += doubts.count
    let directors = topology.nodes.count { $0.role == .siteDirector }
    let balancers = topology.nodes.count { $0.role == .siteBalancer }
    print(
      "\(path): network \(topology.name): \(count(topology.sites.count, "site")), \(count(topology.offices.count, "office")), "
        + "\(count(directors, "director")), \(count(balancers, "balancer")), \(count(topology.servers.count, "server"))"
        + (topology.relays.isEmpty ? "; " : ", \(count(topology.relays.count, "relay")); ")
        + (warnings == 0 ? "no findings" : count(warnings, "warning")))
    if strict, warnings > 0 { throw ExitCode(1) }
  }

  /// What is doubtful about files that are here to be read: certificates that are not good, or not for long, or not for the names that they
  /// are to serve; secrets that everybody can read.
  private func doubtsAboutFiles(_ topology: Topology) -> [String] {
    let now = Int64(time(nil))
    var plans: [CertificatePlan] = []
    var secrets: [String] = []
    var authorities: [String] = []
    var names: [String] = []
    for node in topology.nodes {
      guard let plan = try? topology.plan(for: node.name) else { continue }
      for tls in plan.listeners.map(\.tls) + [plan.monitorTLS] {
        plans += tls?.certificates ?? []
        secrets += [tls?.ticketKeyPath].compactMap { $0 }
        authorities += [tls?.clients?.authorityPath].compactMap { $0 }
      }
      for server in plan.applications.flatMap(\.pool.servers) {
        let all = [server.tls, server.liveness?.tls, server.admission?.tls].compactMap { $0 }
        plans += all.compactMap(\.certificate)
        authorities += all.compactMap { $0.verifies ? $0.authorityPath : nil }
      }
      secrets += plan.applications.compactMap { $0.cookie?.signing?.keyPath }
      if case .file(let path)? = plan.statusPage?.password { secrets.append(path) }
      if plan.role == .relay { names += doubtsAboutNames(plan, now) }
    }
    let files =
      CertificateValidity.warnings(unique(plans), now: now)
      + CertificateValidity.warnings(authorities: unique(authorities), now: now)
    return (files + CertificateValidity.warnings(secrets: unique(secrets))).map(\.description) + names
  }

  /// Names that lead to a pool of a relay which ends TLS, and are in no certificate that it shows.
  private func doubtsAboutNames(_ plan: NodePlan, _ now: Int64) -> [String] {
    plan.listeners.flatMap { listener -> [String] in
      guard let tls = listener.tls else { return [] }
      return plan.applications.flatMap { pool in
        CertificateValidity.uncovered(pool.hosts, by: tls.certificates, now: now).map { name in
          "no certificate of relay \(plan.name) at \(listener.address) is for \(name), which leads to pool \(pool.name): clients that check "
            + "names refuse it; add one to \"certificates:\""
        }
      }
    }
  }

  private func unique<Element: Equatable>(_ all: [Element]) -> [Element] {
    all.reduce(into: []) { found, one in if !found.contains(one) { found.append(one) } }
  }

  private func count(_ number: Int, _ noun: String) -> String { "\(number) \(noun)\(number == 1 ? "" : "s")" }
}
