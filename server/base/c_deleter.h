#pragma once

namespace sidebus {

// Lets a unique_ptr own an object of a C library; `Destroy` is the library's function that ends it.
template <auto Destroy>
struct CDeleter {
  template <typename T>
  void operator()(T* object) const {
    Destroy(object);
  }
};

}  // namespace sidebus
