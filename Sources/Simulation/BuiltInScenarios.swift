public import Topology

/// What is simulated when a topology has no scenarios: each element fails once, in turn.
public enum BuiltInScenarios {
  /// When the failure begins, how long it lasts, and when the scenario ends.
  private static let begin: Duration = .seconds(120)
  private static let length: Duration = .seconds(240)
  private static let duration: Duration = .seconds(600)

  /// In this order: each application server, balancer, director and relay of checks is killed for four minutes, each site is killed,
  /// each site loses its power, and each declared link is cut. A scenario is named after what fails in it: `kill-W11`, `cut-OP1-SITE1`.
  public static func scenarios(of topology: Topology) -> [Scenario] {
    var found: [Scenario] = []
    for site in topology.sites { found += site.servers.map { kill($0.name) } }
    for site in topology.sites { found += site.balancers.map { kill($0.name) } }
    for site in topology.sites { found += site.directors.map { kill($0.name) } }
    found += topology.relaysOfChecks.map { kill($0.name) }
    found += topology.sites.map { kill($0.name) }
    found += topology.sites.map { site in
      scenario("power-\(site.name)", "\(site.name) falls silent", .power([Located(site.name)]))
    }
    for link in topology.links where link.ends.count == 2 {
      let ends = LinkEnds(from: link.ends[0], to: link.ends[1])
      found.append(
        scenario(
          "cut-\(ends.from.value)-\(ends.to.value)", "nothing passes between \(ends.from.value) and \(ends.to.value)",
          .cut(ends, oneWay: false)))
    }
    return found
  }

  static func kill(_ name: String) -> Scenario {
    scenario("kill-\(name)", "\(name) is killed and started again", .kill([Located(name)]))
  }

  static func scenario(_ name: String, _ summary: String, _ fault: Fault) -> Scenario {
    var scenario = Scenario(name: name, duration: duration)
    scenario.summary = summary
    scenario.steps = [ScenarioStep(at: begin, lasts: length, fault: fault)]
    return scenario
  }
}
