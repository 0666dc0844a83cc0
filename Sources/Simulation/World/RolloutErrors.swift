public import Topology

/// What of a rollout cannot be simulated: the model has one address, one place and one cookie value for each name, and users of the
/// network's own file alone.
extension Topology {
  /// Why a scenario's rollouts cannot be simulated; empty: they can.
  ///
  /// - Parameter rollouts: the topologies by the path of the file, each of which has passed `validate()`.
  public func rolloutErrors(in scenario: Scenario, rollouts: [String: Topology]) -> [Diagnostic] {
    var found: [Diagnostic] = []
    var files: [(name: String, topology: Topology)] = [("this file", self)]
    for step in scenario.steps {
      guard case .rollout(let file, let order, _) = step.fault else { continue }
      guard let next = rollouts[file.pathFromItsFile] else {
        found.append(Diagnostic(.error, at: file.location, "rollout: \"\(file.value)\" was not read", mend: nil))
        continue
      }
      func report(_ reasons: [RolloutObstacle]) {
        found += reasons.map {
          Diagnostic(.error, at: file.location, "rollout of \"\(file.value)\": \($0.text)", mend: $0.mend)
        }
      }
      report(orderObstacles(order, next, file.value))
      guard !files.contains(where: { $0.name == "\"\(file.value)\"" }) else { continue }
      for earlier in files { report(earlier.topology.obstacles(to: next, earlier.name)) }
      files.append(("\"\(file.value)\"", next))
    }
    return found
  }

  private func orderObstacles(_ order: [Located<String>], _ next: Topology, _ file: String) -> [RolloutObstacle] {
    let known = Set(next.nodes.map(\.name))
    var found: [RolloutObstacle] = []
    for name in order.flatMap({ elements(named: $0.value) }) {
      guard !known.contains(name), !servers.contains(where: { $0.name == name }) else { continue }
      found.append(
        RolloutObstacle(
          "\"\(name)\" is not in it, so that node cannot take it over",
          mend: "leave it out of \"order\"; end it with a step \"kill\" when nobody needs it any more"))
    }
    return found
  }

  private func obstacles(to next: Topology, _ earlier: String) -> [RolloutObstacle] {
    applicationObstacles(next, earlier) + siteObstacles(next, earlier) + placeObstacles(next, earlier)
  }

  private func applicationObstacles(_ next: Topology, _ earlier: String) -> [RolloutObstacle] {
    guard applications.map(\.name) == next.applications.map(\.name) else {
      return [RolloutObstacle("it has other applications than \(earlier), which is not simulated", mend: nil)]
    }
    var found: [RolloutObstacle] = []
    for (mine, other) in zip(applications, next.applications) {
      for (kind, cookies) in [
        ("site", (mine.siteCookie, other.siteCookie)), ("session", (mine.sessionCookie, other.sessionCookie)),
      ] where cookies.0?.plan.name != cookies.1?.plan.name || cookies.0?.plan.mode != cookies.1?.plan.mode {
        found.append(
          RolloutObstacle(
            "the \(kind) cookie of \"\(mine.name)\" has another name or mode than in \(earlier), which is not simulated",
            mend: "it would end every session"))
      }
    }
    return found
  }

  private func siteObstacles(_ next: Topology, _ earlier: String) -> [RolloutObstacle] {
    var found: [RolloutObstacle] = []
    for site in next.sites {
      if let mine = self.site(named: site.name) {
        if mine.cookie.value != site.cookie.value {
          found.append(
            RolloutObstacle(
              "the cookie value of \"\(site.name)\" is another than in \(earlier), which is not simulated",
              mend: "keep \"cookie: \(mine.cookie.value)\""))
        }
      } else if let mine = sites.first(where: { $0.cookie.value == site.cookie.value }) {
        found.append(
          RolloutObstacle(
            "\"\(site.name)\" has the cookie value of \"\(mine.name)\" in \(earlier): renaming a site is not simulated",
            mend: nil))
      }
    }
    for office in next.offices where self.office(named: office.name) == nil {
      found.append(
        RolloutObstacle(
          "office \"\(office.name)\" is not in \(earlier): users that come with a rollout are not simulated", mend: nil)
      )
    }
    return found
  }

  /// Elements that would be two under one name, or one under two.
  private func placeObstacles(_ next: Topology, _ earlier: String) -> [RolloutObstacle] {
    let mine = standings
    var byName: [String: Standing] = [:]
    var byAddress: [String: String] = [:]
    for standing in mine {
      byName[standing.name] = standing
      for address in standing.addresses { byAddress[address] = standing.name }
    }
    var found: [RolloutObstacle] = []
    for standing in next.standings {
      if let same = byName[standing.name] {
        if same.kind != standing.kind || same.site != standing.site {
          found.append(
            RolloutObstacle(
              "\"\(standing.name)\" is \(standing.words), but \(same.words) in \(earlier), which is not simulated",
              mend: "give it another name"))
        } else if same.all != standing.all {
          found.append(
            RolloutObstacle(
              "\"\(standing.name)\" has other addresses or another cookie value than in \(earlier), which is not simulated",
              mend: "give what is new another name"))
        }
      } else if let address = standing.addresses.first(where: { byAddress[$0] != nil }), let other = byAddress[address]
      {
        found.append(
          RolloutObstacle(
            "\"\(standing.name)\" has the address of \"\(other)\" in \(earlier): renaming is not simulated",
            mend: "keep the name, or give it another address"))
      }
    }
    return found
  }

  private var standings: [Standing] {
    var found = offices.map { office in
      Standing(name: office.name, kind: "an office", site: "", addresses: office.listen.map { "\($0.address.value)" })
    }
    for site in sites {
      for (kind, nodes) in [("a director", site.directors), ("a balancer", site.balancers)] {
        for node in nodes {
          found.append(
            Standing(
              name: node.name, kind: kind, site: site.name,
              addresses: [node.serviceAddress, node.monitorAddress].compactMap { $0.map { "\($0)" } }))
        }
      }
      for server in site.servers {
        let service = applications.compactMap { server.address(for: $0.name) }
        found.append(
          Standing(
            name: server.name, kind: "a server", site: site.name,
            addresses: (service + [server.admissionAddress].compactMap { $0 }).map { "\($0)" },
            cookie: server.cookie.value))
      }
    }
    return found
  }
}

/// Something that keeps a rollout from being simulated, and what to do about it.
private struct RolloutObstacle {
  var text: String
  var mend: String?

  init(_ text: String, mend: String?) {
    self.text = text
    self.mend = mend
  }
}

/// What a name stands for in one file.
private struct Standing {
  var name: String
  var kind: String
  /// Empty: an office.
  var site: String
  var addresses: [String]
  var cookie = ""

  var words: String { site.isEmpty ? kind : "\(kind) of \(site)" }
  var all: [String] { addresses + [cookie] }
}
