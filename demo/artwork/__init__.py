"""The demo's pictures: three originals and the edits that shops make of them."""
