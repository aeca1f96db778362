(function () {
  "use strict";
  var list = document.getElementById("sample-list"), tools = document.getElementById("sample-tools");
  if (!list || !tools) { return; }
  var items = Array.prototype.slice.call(list.children);
  var search = document.getElementById("sample-search"), order = document.getElementById("sample-order");
  var label = document.getElementById("sample-class"), status = document.getElementById("sample-count");
  tools.hidden = false;
  function by(name) {
    if (name === "class") { return function (a, b) { return a.dataset.label.localeCompare(b.dataset.label); }; }
    var sign = name === "longest" || name === "farthest" ? -1 : 1;
    var key = name === "longest" || name === "shortest" ? "length" : name === "number" ? "number" : "distance";
    return function (a, b) { return sign * (Number(a.dataset[key]) - Number(b.dataset[key])); };
  }
  function sort() {
    items.slice().sort(by(order.value)).forEach(function (item) { list.appendChild(item); });
  }
  function show() {
    var words = search.value.toLowerCase().split(/\s+/).filter(Boolean), count = 0;
    items.forEach(function (item) {
      var text = item.textContent.toLowerCase();
      var fits = words.every(function (word) { return text.indexOf(word) >= 0; });
      fits = fits && (label.value === "" || item.dataset.label === label.value);
      item.hidden = !fits;
      count += fits ? 1 : 0;
    });
    status.textContent = count + " of " + items.length;
  }
  function reveal() {
    var named = items.filter(function (item) { return "#" + item.id === location.hash; });
    if (named.length && named[0].hidden) { search.value = ""; label.value = ""; show(); named[0].scrollIntoView(); }
  }
  search.addEventListener("input", show);
  label.addEventListener("change", show);
  order.addEventListener("change", sort);
  window.addEventListener("hashchange", reveal);
  show();
})();
