internal import Routing
public import Topology

/// A topology in the form the engine works with: dense indices instead of names. Immutable, shared by all runs.
public final class NetworkModel: Sendable {
  /// The topology it was made from.
  public let topology: Topology
  /// Proxy nodes first (an index below `nodes.count` is one), then application servers.
  let elements: [Element]
  /// By node, as the network's own file has it; a node that only a file rolled out knows, as that file has it.
  let nodes: [NodeModel]
  /// The same for each file: the network's own first, then those rolled out. A node that a file does not know stays as it is.
  let versions: [[NodeModel]]
  /// The files rolled out, in the order of `versions` without the first.
  private let rollouts: [String]
  /// By file as in `versions`: elements that no file before it knows.
  let added: [[Int32]]
  /// Sites of the network's own file; those behind them are of files rolled out.
  let ownSiteCount: Int
  /// Application pools of all nodes, those of a node one behind the other.
  let pools: [PoolModel]
  let links: [LinkModel]
  /// Names of places: sites, then offices.
  let placeNames: [String]
  /// The element of the first application server; servers follow each other in declaration order.
  let firstServer: Int
  /// Servers of a site: element indices.
  let serversOfSite: [Range<Int>]
  let directorsOfSite: [[Int32]]
  let balancersOfSite: [[Int32]]
  /// Pools that have an element as a candidate.
  let users: Rows<CandidateReference>
  /// Candidates reached over a link.
  let overLink: Rows<CandidateReference>
  /// Relays by way of which somebody is asked, and by relay whom checks ask so.
  let relays: [RelayModel]
  let throughRelay: Rows<CandidateReference>
  let services: [ServiceModel]
  let applicationCount: Int
  /// Sites whose local users an office of the topology stands for, by the office's name.
  let standIns: [String: Int32]
  private let elementByName: [String: Int32]
  private let linkByPlaces: [UInt64: Int32]

  var siteCount: Int { topology.sites.count }
  var nodeCount: Int { nodes.count }

  /// Takes a topology over, which must have passed `validate()`.
  ///
  /// - Throws: `PlanError` when a node's plan cannot be made.
  public convenience init(_ topology: Topology) throws(PlanError) { try self.init(topology, rollouts: []) }

  /// - Parameter rollouts: what scenarios roll out, by the path of the file; each must have passed `rolloutErrors`.
  /// - Parameter standIns: offices that stand at a site for its local users; the value is the site.
  init(
    _ own: Topology, rollouts: [(path: String, topology: Topology)], standIns: [String: Int32] = [:]
  ) throws(PlanError) {
    self.standIns = standIns
    let topology = rollouts.isEmpty ? own : own.joined(with: rollouts.map(\.topology))
    self.topology = topology
    self.rollouts = rollouts.map(\.path)
    ownSiteCount = own.sites.count
    applicationCount = topology.applications.count
    let siteCount = topology.sites.count
    placeNames = topology.sites.map(\.name) + topology.offices.map(\.name)
    var siteByName: [String: Int32] = [:]
    for (index, site) in topology.sites.enumerated() { siteByName[site.name] = Int32(index) }

    var elements: [Element] = []
    for (index, office) in topology.offices.enumerated() {
      let place = standIns[office.name] ?? Int32(siteCount + index)
      elements.append(Element(name: office.name, kind: .office, place: place, site: -1))
    }
    var directorsOfSite: [[Int32]] = []
    var balancersOfSite: [[Int32]] = []
    for (index, site) in topology.sites.enumerated() {
      directorsOfSite.append((0..<site.directors.count).map { Int32(elements.count + $0) })
      for node in site.directors {
        elements.append(Element(name: node.name, kind: .director, place: Int32(index), site: Int32(index)))
      }
      balancersOfSite.append((0..<site.balancers.count).map { Int32(elements.count + $0) })
      for node in site.balancers {
        elements.append(Element(name: node.name, kind: .balancer, place: Int32(index), site: Int32(index)))
      }
    }
    self.directorsOfSite = directorsOfSite
    self.balancersOfSite = balancersOfSite
    firstServer = elements.count
    var serversOfSite: [Range<Int>] = []
    var services: [ServiceModel] = []
    for (index, site) in topology.sites.enumerated() {
      serversOfSite.append(elements.count..<elements.count + site.servers.count)
      for server in site.servers {
        elements.append(Element(name: server.name, kind: .server, place: Int32(index), site: Int32(index)))
        services.append(ServiceModel(server.service.over(topology.service)))
      }
    }
    self.serversOfSite = serversOfSite
    let relays = own.relays.compactMap { RelayModel($0, of: own) }
    self.relays = relays
    self.services = services
    self.elements = elements
    var elementByName: [String: Int32] = [:]
    for (index, element) in elements.enumerated() { elementByName[element.name] = Int32(index) }
    self.elementByName = elementByName

    var builder = LinkBuilder(topology, placeByName: siteByName)
    let files = [own] + rollouts.map(\.topology)
    let known = files.count == 1 ? [] : files.map { Set($0.nodes.map(\.name) + $0.servers.map(\.name)) }
    var versions: [[NodeModel]] = []
    var pools: [PoolModel] = []
    for version in files.indices {
      var models: [NodeModel] = []
      for index in 0..<firstServer {
        let name = elements[index].name
        var file = version
        if !known.isEmpty && !known[version].contains(name) {
          if version > 0 {
            models.append(versions[0][index])
            continue
          }
          file = known.firstIndex { $0.contains(name) } ?? 0
        }
        let plan = try files[file].plan(for: name)
        let earlier = versions.map { $0[index] }
        var model = NodeModel(
          plan: plan, pools: [], poolOf: Array(repeating: -1, count: topology.applications.count),
          nameHash: StableHash.hash(plan.name))
        for application in plan.applications {
          let id = topology.applications.firstIndex { $0.name == application.name } ?? 0
          if let same = earlier.lazy.compactMap({ $0.pool(like: application, id, plan) }).first {
            model.poolOf[id] = same
          } else {
            model.poolOf[id] = Int32(pools.count)
            pools.append(
              PoolModel(
                application, of: plan, node: Int32(index), id: id, elements: elements, elementByName: elementByName,
                topology: topology, relays: relays,
                path: { builder.path(from: elements[index].place, to: $0) }))
          }
          model.pools.append(Int(model.poolOf[id]))
        }
        models.append(model)
      }
      versions.append(models)
    }
    nodes = versions[0]
    self.versions = versions
    added = known.enumerated().map { version, names in
      elements.indices.filter { index in
        names.contains(elements[index].name) && !known[..<version].contains { $0.contains(elements[index].name) }
      }.map { Int32($0) }
    }
    self.pools = pools
    links = builder.links
    linkByPlaces = builder.index
    var byElement: [[CandidateReference]] = Array(repeating: [], count: elements.count)
    var byLink: [[CandidateReference]] = Array(repeating: [], count: builder.links.count)
    var byRelay: [[CandidateReference]] = Array(repeating: [], count: relays.count)
    for (pool, model) in pools.enumerated() {
      for (server, candidate) in model.candidates.enumerated() {
        let reference = CandidateReference(pool: Int32(pool), server: Int32(server))
        byElement[Int(candidate.element)].append(reference)
        if candidate.path.link >= 0 { byLink[Int(candidate.path.link)].append(reference) }
      }
      for check in model.checks where check.relay >= 0 {
        byRelay[Int(check.relay)].append(CandidateReference(pool: Int32(pool), server: check.server))
      }
    }
    users = Rows(byElement)
    overLink = Rows(byLink)
    throughRelay = Rows(byRelay)
  }

  /// The element of a name; nil for sites and unknown names.
  func element(named name: String) -> Int32? { elementByName[name] }

  /// What a name of a fault stands for: an element, or everything at a site.
  func elements(named name: String) -> [Int32] {
    if let one = elementByName[name] { return [one] }
    guard let site = topology.sites.firstIndex(where: { $0.name == name }) else { return [] }
    return elements.indices.filter { elements[$0].site == Int32(site) }.map { Int32($0) }
  }

  /// Where users at a site enter: its directors; at a site without any its balancers.
  func entries(atSite site: Int) -> [Int32] {
    directorsOfSite[site].isEmpty ? balancersOfSite[site] : directorsOfSite[site]
  }

  /// The place of a site's or office's name.
  func place(named name: String) -> Int32? { placeNames.firstIndex(of: name).map { Int32($0) } }

  /// The link between two places; nil: nothing of the network uses one.
  func link(between first: Int32, and second: Int32) -> Path? {
    let key = LinkBuilder.key(first, second)
    guard let link = linkByPlaces[key] else { return nil }
    return Path(link: link, isForward: links[Int(link)].from == first)
  }
}

extension NetworkModel {
  /// Which file a scenario names; 0, the network's own, if it was not given.
  func version(of file: Located<String>) -> Int {
    rollouts.firstIndex(of: file.pathFromItsFile).map { $0 + 1 } ?? 0
  }

  /// A node's pool for an application. `versions`: by node, the file it goes by; empty: all go by the network's own.
  func pool(of node: Int32, _ application: Int, _ versions: [UInt8]) -> Int32 {
    versions.isEmpty
      ? nodes[Int(node)].poolOf[application]
      : self.versions[Int(versions[Int(node)])][Int(node)].poolOf[application]
  }

  /// A node's pools by every file.
  func allPools(of node: Int32) -> [Int] {
    versions.count == 1 ? nodes[Int(node)].pools : Set(versions.flatMap { $0[Int(node)].pools }).sorted()
  }
}

extension NodePlan {
  /// What the node orders sites by for each client; nil: all have the plan's order.
  var clientOrder: GeoPlan? { geo?.use == .tiers ? geo : nil }
}

/// A candidate of a pool.
struct CandidateReference: Sendable {
  var pool: Int32
  var server: Int32
}

/// Lists of different lengths in two flat arrays.
struct Rows<Item: Sendable>: Sendable {
  private var starts: [Int32]
  private var items: [Item]

  init(_ rows: [[Item]]) {
    starts = [0]
    starts.reserveCapacity(rows.count + 1)
    items = []
    items.reserveCapacity(rows.reduce(0) { $0 + $1.count })
    for row in rows {
      items += row
      starts.append(Int32(items.count))
    }
  }

  subscript(_ row: Int32) -> ArraySlice<Item> { items[Int(starts[Int(row)])..<Int(starts[Int(row) + 1])] }
}

/// A proxy node.
struct NodeModel: Sendable {
  var plan: NodePlan
  /// Its pools.
  var pools: [Int]
  /// Its pool for each application; -1: it does not serve that.
  var poolOf: [Int32]
  var nameHash: UInt64

  /// The pool that works as another plan of the same node says; nil: none does.
  fileprivate func pool(like application: ApplicationPlan, _ id: Int, _ other: NodePlan) -> Int32? {
    guard poolOf[id] >= 0, plan.timeScale == other.timeScale,
      plan.limits.pooledPerServerMax == other.limits.pooledPerServerMax, plan.clientOrder == other.clientOrder,
      plan.applications.contains(application)
    else { return nil }
    return poolOf[id]
  }
}

/// How an application server answers.
struct ServiceModel: Sendable {
  /// Mean service time, in nanoseconds.
  var time: Int64
  /// Requests served at the same time; 0: as many as come.
  var concurrency: Int
  /// Requests that may wait at the server.
  var queue: Int

  /// An answer takes 20 ms on average, and as many requests are served at a time as come, unless the file says otherwise;
  /// where it bounds them, 1,024 may wait.
  init(_ settings: ServiceSettings) {
    time = settings.serviceTime?.nanosecondsClamped ?? 20_000_000
    concurrency = max(0, settings.concurrency ?? 0)
    queue = max(0, settings.queue ?? 1024)
  }
}
