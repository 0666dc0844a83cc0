-- Users who think: a pause of 10 to 50 ms before each request of a connection, so that the load is moderate.
function init(arguments)
  math.randomseed(os.time())
end

function delay()
  return math.random(10, 50)
end
