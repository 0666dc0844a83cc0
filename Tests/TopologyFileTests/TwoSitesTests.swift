import Foundation
import Testing
import Topology
import TopologyFile

/// The repository, found from this file.
let repository = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
  .deletingLastPathComponent()

/// A ready-made topology, which must load without any finding.
func readyMade(_ name: String) throws -> Topology {
  let (topology, diagnostics) = TopologyLoader.load(repository.appendingPathComponent("topologies/\(name).yaml").path)
  #expect(diagnostics.isEmpty)
  return try #require(topology)
}

@Suite struct TwoSitesTests {
  @Test func officeReadsTheSiteCookieAndPrefersItsSitesDirectors() throws {
    let plan = try readyMade("two-sites").plan(for: "OP1")
    #expect(plan.role == .officeProxy)
    #expect(plan.site == nil)
    #expect(plan.listeners == [ListenerPlan(parsing: "127.0.1.1:8080")])
    #expect(plan.monitor == nil)
    #expect(plan.downstreamNodes.isEmpty)
    let shop = try #require(plan.applications.first)
    #expect(plan.applications.count == 1)
    #expect(shop.name == "shop")
    #expect(shop.hosts.isEmpty)
    #expect(shop.cookie?.name == "SITE")
    #expect(shop.cookie?.mode == .passive)
    #expect(shop.pool.tierCount == 2)
    #expect(shop.pool.servers.map(\.name) == ["SD1", "SD2"])
    #expect(shop.pool.servers.map(\.tier) == [0, 1])
    #expect(shop.pool.servers.map(\.cookieValue) == ["SITE1", "SITE2"])
    #expect(shop.pool.servers.allSatisfy { $0.isNode && $0.admission == nil })
    let checks = shop.pool.servers.compactMap(\.liveness)
    #expect(checks.map(\.kind) == [.monitor, .monitor])
    #expect(checks.map(\.address.description) == ["127.1.1.1:8081", "127.2.1.1:8081"])
    #expect(checks.map(\.interval) == [.seconds(30), .seconds(60)])
    #expect(checks.map(\.fastInterval) == [.seconds(1), .seconds(1)])
    #expect(checks.map(\.downInterval) == [.seconds(1), .seconds(1)])
    #expect(checks.allSatisfy { $0.rise == 2 && $0.fall == 3 })
    #expect(shop.pool.failback == .session)
    #expect(shop.timeouts.connect == .seconds(1))
    #expect(shop.timeouts.unacknowledged == .seconds(3))
    #expect(shop.retries.attemptsMax == 16)
    #expect(shop.retries.bodyBytesMax == 65536)
    #expect(shop.retries.budgetPercent == 20)
    #expect(shop.retries.budgetMinimum == 10)
  }

  @Test func theThirdOfficePrefersTheSecondSite() throws {
    let shop = try #require(try readyMade("two-sites").plan(for: "OP3").applications.first)
    #expect(shop.pool.servers.map(\.name) == ["SD2", "SD1"])
    #expect(shop.pool.servers.map(\.cookieValue) == ["SITE2", "SITE1"])
  }

  @Test func directorInsertsTheSiteCookieAndBacksItsBalancersWithTheOtherSites() throws {
    let plan = try readyMade("two-sites").plan(for: "SD2")
    #expect(plan.role == .siteDirector)
    #expect(plan.site == "SITE2")
    #expect(plan.monitor?.description == "127.2.1.1:8081")
    #expect(plan.downstreamNodes == ["OP1", "OP2", "OP3", "SD1"])
    // The slowest checker is OP1: 60 s x 3.
    #expect(plan.grace == .seconds(180))
    let shop = try #require(plan.applications.first)
    #expect(shop.cookie?.mode == .insert)
    #expect(shop.cookie?.indirect == true)
    #expect(shop.cookie?.path == "/")
    #expect(shop.pool.servers.map(\.name) == ["S2L1", "S2L2", "S1L1", "S1L2"])
    #expect(shop.pool.servers.map(\.tier) == [0, 0, 1, 1])
    #expect(shop.pool.servers.map(\.cookieValue) == ["SITE2", "SITE2", "SITE1", "SITE1"])
    #expect(shop.pool.servers.compactMap(\.liveness?.interval) == [4, 4, 8, 8].map { .seconds($0) })
    #expect(shop.forwarding.forwardedFor)
    #expect(
      shop.forwarding.trusted.map(\.description) == ["127.0.1.1/32", "127.0.2.1/32", "127.0.3.1/32", "127.1.1.1/32"])
  }

  @Test func balancerPrefixesTheSessionCookieAndChecksAdmissionApart() throws {
    let plan = try readyMade("two-sites").plan(for: "S1L2")
    #expect(plan.role == .siteBalancer)
    #expect(plan.site == "SITE1")
    #expect(plan.downstreamNodes == ["SD1", "SD2"])
    #expect(plan.grace == .seconds(24))
    let shop = try #require(plan.applications.first)
    #expect(shop.cookie?.name == "JSESSIONID")
    #expect(shop.cookie?.mode == .prefix)
    #expect(shop.cookie?.path == nil)
    #expect(shop.pool.tierCount == 1)
    #expect(shop.pool.servers.map(\.name) == ["W11", "W12", "W13", "W14"])
    #expect(shop.pool.servers.map(\.cookieValue) == ["W11", "W12", "W13", "W14"])
    #expect(shop.pool.servers.allSatisfy { !$0.isNode && $0.weight == 100 && $0.tier == 0 })
    let first = try #require(shop.pool.servers.first)
    #expect(first.address.description == "127.1.2.1:8080")
    #expect(first.admission?.address.description == "127.1.2.1:8081")
    #expect(first.admission?.interval == .seconds(2))
    #expect(first.liveness?.address.description == "127.1.2.1:8080")
    #expect(first.liveness?.interval == .seconds(4))
    guard case .http(let request)? = first.liveness?.kind else {
      Issue.record("not an http check")
      return
    }
    #expect(request.method == "HEAD")
    #expect(request.version == "1.0")
    #expect(request.expectedStatus == [200...399])
    #expect(!shop.forwarding.forwardedFor)
  }

  @Test func otherNamesHaveNoPlan() throws {
    let topology = try readyMade("two-sites")
    #expect(throws: PlanError.unknownNode(name: "SD11", nearest: "SD1")) { try topology.plan(for: "SD11") }
    #expect(throws: PlanError.notAProxyNode(name: "W11", kind: "an application server")) {
      try topology.plan(for: "W11")
    }
    #expect(throws: PlanError.notAProxyNode(name: "SITE1", kind: "a site")) { try topology.plan(for: "SITE1") }
  }

  @Test func timeScaleShortensEveryDurationButThoseOfCookies() throws {
    var topology = try readyMade("two-sites")
    topology.timeScale = 0.1
    topology.applications[0].siteCookie?.plan.maxIdle = .seconds(1800)
    let plan = try topology.plan(for: "SD1")
    let shop = try #require(plan.applications.first)
    #expect(plan.timeScale == 0.1)
    #expect(plan.grace == .seconds(18))
    #expect(shop.pool.servers.first?.liveness?.interval == .milliseconds(400))
    #expect(shop.timeouts.connect == .milliseconds(100))
    #expect(shop.cookie?.maxIdle == .seconds(1800))
  }
}

extension ListenerPlan {
  fileprivate init(parsing text: String) {
    var plan = try! readyMade("two-sites").plan(for: "OP1").listeners[0]
    plan.address = try! Address(parsing: text)
    self = plan
  }
}
