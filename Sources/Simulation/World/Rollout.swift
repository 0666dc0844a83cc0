public import Topology

/// Several files of one network at the same time, while one is rolled out after the other.
extension Topology {
  /// Everything that this file or one of the others knows: sites, what is at them, offices and links. What several know is
  /// as this file, or the first of them, has it. Users are this file's alone.
  func joined(with others: [Topology]) -> Topology {
    var whole = self
    for other in others {
      for site in other.sites { whole.add(site) }
      for link in other.links where link.ends.count == 2 {
        let ends = link.ends.map(\.value)
        let places = whole.sites.map(\.name) + whole.offices.map(\.name)
        if ends.allSatisfy({ places.contains($0) }), whole.link(between: ends[0], and: ends[1]) == nil {
          whole.links.append(link)
        }
      }
    }
    return whole
  }

  private mutating func add(_ site: Site) {
    guard let index = sites.firstIndex(where: { $0.name == site.name }) else {
      var site = site
      site.traffic = TrafficSettings()
      return sites.append(site)
    }
    let known = elements(named: site.name)
    sites[index].directors += site.directors.filter { !known.contains($0.name) }
    sites[index].balancers += site.balancers.filter { !known.contains($0.name) }
    sites[index].servers += site.servers.filter { !known.contains($0.name) }
  }
}

extension Scenario {
  /// The files it rolls out, by path, each once, in the order of the steps.
  public var rolloutPaths: [String] {
    var paths: [String] = []
    for step in steps {
      guard case .rollout(let file, _, _) = step.fault, !paths.contains(file.pathFromItsFile) else { continue }
      paths.append(file.pathFromItsFile)
    }
    return paths
  }
}

extension NetworkModel {
  /// The network with the files that a scenario rolls out.
  func prepared(for scenario: Scenario, _ options: SimulationOptions) -> NetworkModel {
    let files = scenario.rolloutPaths.compactMap { path in
      options.rollouts[path].map { (path: path, topology: $0) }
    }
    // Plans can be made: nodes are asked for by the names that the files themselves know.
    return files.isEmpty ? self : (try? NetworkModel(topology, rollouts: files, standIns: standIns)) ?? self
  }
}
